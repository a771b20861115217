"""`--prepare`: video files become a data set. `run.py` leads, `work.py` is what is done to one video.

find -> look at each video -> choose frame size and rate -> sift each video -> split by video -> write train and test
"""
