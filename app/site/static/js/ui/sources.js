// What plays while the player does not: chance, or a list of actions. For game.js.

const HOLD = [3, 14]; // steps: with a new action each step a player gets nowhere
const ONWARD = 0.8; // the share of holds that keep the heading

/** Actions by chance, each held for a while, mostly one way; those with keys where there are any. `over` after `steps`. */
export function byChance(actions, { name = "autoplay", steps = Infinity, random = Math.random, over = "" } = {}) {
  const keyed = actions.filter((action) => action.keys.length > 0);
  const heading = random() < 0.35 ? -1 : 1;
  let left = 0;
  let action = null;
  const choose = () => {
    const known = keyed.length > 1 ? keyed : actions;
    const onward = known.filter(({ motion_px: motion }) => !motion || motion[0] * heading > 0);
    const among = onward.length && random() < ONWARD ? onward : known;
    return among[Math.floor(random() * among.length)].id;
  };
  return {
    name,
    over,
    next() {
      if (steps-- <= 0) return null;
      if (left <= 0) {
        action = choose();
        left = HOLD[0] + Math.floor(random() * (HOLD[1] - HOLD[0] + 1));
      }
      left--;
      return action;
    },
  };
}

/** These action ids, one a step. */
export function listed(actions, { name = "replay of the link", over = "" } = {}) {
  let at = 0;
  return { name, over, next: () => (at < actions.length ? actions[at++] : null) };
}
