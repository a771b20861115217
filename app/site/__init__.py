"""The static site of `--export-web`: it plays worlds in the browser alone. Its modules are in `static/`.

`export` writes the site's folder, `ort` gets ONNX Runtime Web, which plays the graphs there.
"""
