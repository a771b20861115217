// The way to the player's seat: a WebSocket, or, where that does not open, repeated requests over plain HTTP.
// A connection that breaks is made anew, for as long as the server keeps the game.
const SILENCE_MS = 1600; // the server is heard at least every 0.7 s
const DEAD_MS = 8000;
const RETRIES_MS = [0, 300, 700, 1000, 2000];

class Transport {
  constructor(token, shown, on) {
    // The page is the root of the app, whatever prefix a proxy puts before it.
    this.url = new URL("play/" + token, location.origin + location.pathname.replace(/\/?$/, "/")).href;
    // message(object), frame(ArrayBuffer), link(text), found(), over(why, then); shown() is the newest frame that was drawn.
    Object.assign(this, { token, shown, on, over: false, unsent: [], posting: Promise.resolve(), tries: 0, opened: false, told: false, polls: false });
    this.watching = setInterval(() => this.watch(), 200);
    this.openSocket();
  }
  openSocket() {
    const address = new URL(this.url);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = "?shown=" + this.shown();
    const socket = (this.socket = new WebSocket(address));
    let bye = null, opened = false;
    const late = setTimeout(() => socket.close(), DEAD_MS);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { opened = this.opened = true; clearTimeout(late); this.hear(); this.flush(); };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      this.hear();
      this.told = true;
      if (typeof event.data !== "string") return this.on.frame(event.data);
      const message = JSON.parse(event.data);
      if (message.bye !== undefined) bye = message; else this.on.message(message);
    };
    socket.onclose = (event) => {
      clearTimeout(late);
      if (this.over || this.socket !== socket) return;
      this.socket = null;
      if (bye && bye.then !== "again") return this.end(bye.bye, bye.then);
      if (opened || this.opened) return this.retry(event.code === 1012 ? "the demo starts anew" : "");
      this.polls = true;
      this.poll();
    };
  }
  /** Something came from the server. */
  hear() {
    this.heard = performance.now();
    if (this.lost) this.found("");
  }
  /** What was not sent meanwhile, such as a key that came up, `on.found()` makes good. */
  found(link) {
    this.lost = false;
    this.why = "";
    this.on.link(link);
    this.on.found();
  }
  watch() {
    const silent = this.heard === undefined ? 0 : performance.now() - this.heard;
    if (this.over || this.polls || silent < SILENCE_MS) return;
    this.lose();
    if (silent > DEAD_MS && this.socket) { const { socket } = this; this.heard = performance.now() - SILENCE_MS; socket.close(); socket.onclose({ code: 1006 }); }
  }
  lose(why = "") {
    this.lost = true;
    this.why = why || this.why || "";
    this.on.link(`${this.why ? this.why + "; " : ""}${this.told ? "reconnecting" : "connecting"} …`);
  }
  retry(why) {
    this.lose(why);
    const wait = RETRIES_MS[Math.min(this.tries++, RETRIES_MS.length - 1)];
    setTimeout(() => { if (!this.over) this.polls ? this.poll() : this.openSocket(); }, wait);
  }
  send(message) {
    if (this.over || (this.lost && message.do !== "leave")) return;
    this.unsent.push(JSON.stringify(message));
    if (this.socket) this.flush();
    else if (message.do !== "shown") this.posting = this.posting.then(() => this.post("?wait=0")).catch(() => {});
  }
  flush() {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.tries = 0;
    for (const text of this.unsent.splice(0)) this.socket.send(text);
  }
  async post(query) {
    const body = JSON.stringify(this.unsent.splice(0));
    const answer = await fetch(this.url + query, { method: "POST", body });
    if (!answer.ok) throw Object.assign(new Error((await answer.json()).detail), { answered: true });
    return answer.arrayBuffer();
  }
  async poll() {
    let query = "?shown=" + this.shown();
    this.on.link("slow: no WebSocket here");
    while (!this.over) {
      try {
        const news = await this.post(query);
        query = "";
        if (this.lost) this.found("slow: no WebSocket here");
        this.tries = 0;
        const bye = await this.take(news);
        if (bye?.then === "again") query = "?shown=" + this.shown();
        else if (bye) return this.end(bye.bye, bye.then);
      } catch (error) {
        if (this.over) return;
        return error.answered ? this.end(error.message, "end") : this.retry("");
      }
    }
  }
  async take(news) {
    this.told ||= news.byteLength > 0;
    const view = new DataView(news);
    for (let at = 0; at < news.byteLength; ) {
      const length = view.getUint32(at), isFrame = view.getUint8(at + 4);
      const part = news.slice(at + 5, at + 5 + length);
      at += 5 + length;
      if (isFrame) { await this.on.frame(part); continue; }
      const message = JSON.parse(new TextDecoder().decode(part));
      if (message.bye !== undefined) return message;
      this.on.message(message);
    }
    return null;
  }
  end(why, then) {
    if (this.over) return;
    this.close();
    this.on.over(why, then);
  }
  close() {
    this.over = true;
    clearInterval(this.watching);
    this.socket?.close();
  }
}
