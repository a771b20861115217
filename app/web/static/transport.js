// The way to the player's seat: a WebSocket, or, where that does not open, repeated requests over plain HTTP.
class Transport {
  constructor(token, on) {
    // The page is the root of the app, whatever prefix a proxy puts before it.
    this.url = new URL("play/" + token, location.origin + location.pathname.replace(/\/?$/, "/"));
    this.on = on; // message(object), frame(ArrayBuffer), slow(text), over(why)
    this.over = false;
    this.unsent = [];
    this.posting = Promise.resolve();
    this.openSocket();
  }
  openSocket() {
    const address = new URL(this.url);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(address));
    let opened = false, why = "";
    const late = setTimeout(() => socket.close(), 5000);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { opened = true; clearTimeout(late); this.flush(); };
    socket.onmessage = (event) => {
      if (typeof event.data !== "string") return this.on.frame(event.data);
      const message = JSON.parse(event.data);
      if (message.bye !== undefined) why = message.bye; else this.on.message(message);
    };
    socket.onclose = (event) => {
      clearTimeout(late);
      if (this.over) return;
      if (opened) return this.end(why || (event.code === 1012 ? "the demo starts anew; press Play in a moment" : "the connection broke; press Play to begin again"));
      this.socket = null;
      this.on.slow("slow: no WebSocket here");
      this.poll();
    };
  }
  send(message) {
    if (this.over) return;
    this.unsent.push(JSON.stringify(message));
    if (this.socket) this.flush();
    else if (message.do !== "shown") this.posting = this.posting.then(() => this.post("?wait=0"));
  }
  flush() {
    if (this.socket?.readyState === WebSocket.OPEN) for (const text of this.unsent.splice(0)) this.socket.send(text);
  }
  async post(query) {
    const body = JSON.stringify(this.unsent.splice(0));
    const answer = await fetch(this.url + query, { method: "POST", body });
    if (!answer.ok) throw new Error((await answer.json()).detail);
    return answer.arrayBuffer();
  }
  async poll() {
    while (!this.over) {
      try {
        const news = await this.post("");
        const view = new DataView(news);
        for (let at = 0; at < news.byteLength; ) {
          const length = view.getUint32(at), isFrame = view.getUint8(at + 4);
          const part = news.slice(at + 5, at + 5 + length);
          at += 5 + length;
          if (isFrame) { await this.on.frame(part); continue; }
          const message = JSON.parse(new TextDecoder().decode(part));
          if (message.bye !== undefined) return this.end(message.bye);
          this.on.message(message);
        }
      } catch (error) { return this.end(error.message || "the connection broke; press Play to begin again"); }
    }
  }
  end(why) {
    if (this.over) return;
    this.over = true;
    this.on.over(why);
  }
  close() {
    if (this.over) return;
    this.over = true;
    if (this.socket) this.socket.close(); else navigator.sendBeacon(this.url + "/leave");
  }
}
