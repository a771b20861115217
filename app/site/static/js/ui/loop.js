// A loop of ticks at a pace, and of jobs between them: one thing after the other, never two at once.

export class Loop {
  constructor() {
    Object.assign(this, { jobs: [], woken: false, wake: () => {}, due: 0 });
  }

  /** Runs `job` between two ticks; resolves to its value. */
  ask(job) {
    const done = new Promise((resolve, reject) => this.jobs.push({ job, resolve, reject }));
    this.wakeUp();
    return done;
  }

  /** Looks again whether there is something to do. */
  wakeUp() {
    this.woken = true;
    this.wake();
  }

  /** `tick()` resolves to false if there is nothing to do until the next `wakeUp`; `period()` is in milliseconds. */
  async run(tick, period) {
    for (;;) {
      const job = this.jobs.shift();
      if (job) await finish(job);
      else if (performance.now() < this.due) await this.rest(this.due - performance.now());
      else if (await tick()) this.due = Math.max(performance.now(), this.due + period());
      else if (!this.woken) await this.rest();
      else this.woken = false;
    }
  }

  /** Until the next `wakeUp`, or for `ms`. */
  async rest(ms) {
    const timer = new Promise((resolve) => ms !== undefined && setTimeout(resolve, ms));
    await Promise.race([timer, new Promise((resolve) => (this.wake = resolve))]);
  }
}

async function finish({ job, resolve, reject }) {
  try {
    resolve(await job());
  } catch (error) {
    reject(error);
  }
}
