// The noise of a frame, bit for bit as Python draws it: numpy's SeedSequence of (seed, index) seeds a Mersenne Twister.
// Sources: O'Neill, randutils (SeedSequence); Matsumoto and Nishimura 1998 (MT19937).

const WORDS = 624;
const SHIFTED = 397;
const POOL = 4;

/** `count` numbers in [0, 1) for frame `index` of a playthrough with `seed` (a number or BigInt below 2^64). */
export function uniform(seed, index, count) {
  const twister = new Twister(frameSeed(seed, index));
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = (twister.next() & 0xffffff) / 2 ** 24;
  return numbers;
}

/** The 32 bits that seed the Twister: the low half of a 64-bit state, shifted right by one. */
export function frameSeed(seed, index) {
  const [low, high] = generateState([...wordsOf(BigInt.asUintN(64, BigInt(seed))), ...wordsOf(BigInt(index))], 2);
  return ((low >>> 1) | ((high & 1) << 31)) >>> 0;
}

function wordsOf(number) {
  const words = [Number(number & 0xffffffffn)];
  for (let rest = number >> 32n; rest > 0n; rest >>= 32n) words.push(Number(rest & 0xffffffffn));
  return words;
}

function generateState(entropy, count) {
  const hash = hasher(0x43b0d7e5, 0x931e8875);
  const pool = Array.from({ length: POOL }, (_, i) => hash(entropy[i] ?? 0));
  const stir = (to, value) => (pool[to] = mix(pool[to], hash(value)));
  for (let from = 0; from < POOL; from++) for (let to = 0; to < POOL; to++) if (from !== to) stir(to, pool[from]);
  for (const more of entropy.slice(POOL)) for (let to = 0; to < POOL; to++) stir(to, more);
  const draw = hasher(0x8b51f9dd, 0x58f38ded);
  return Array.from({ length: count }, (_, i) => draw(pool[i % POOL]));
}

function hasher(constant, factor) {
  return (value) => {
    value ^= constant;
    constant = Math.imul(constant, factor);
    value = Math.imul(value, constant);
    return (value ^ (value >>> 16)) >>> 0;
  };
}

function mix(x, y) {
  const mixed = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

class Twister {
  constructor(seed) {
    this.state = new Uint32Array(WORDS);
    this.state[0] = seed;
    for (let i = 1; i < WORDS; i++) {
      const before = this.state[i - 1] ^ (this.state[i - 1] >>> 30);
      this.state[i] = Math.imul(1812433253, before) + i;
    }
    this.at = WORDS;
  }

  next() {
    if (this.at === WORDS) this.twist();
    let word = this.state[this.at++];
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  twist() {
    const { state } = this;
    for (let i = 0; i < WORDS; i++) {
      const word = (state[i] & 0x80000000) | (state[(i + 1) % WORDS] & 0x7fffffff);
      state[i] = state[(i + SHIFTED) % WORDS] ^ (word >>> 1) ^ (word & 1 ? 0x9908b0df : 0);
    }
    this.at = 0;
  }
}
