/**
 * Coded data of a JPEG as bits and Huffman codes.
 *
 * Codes are canonical (ITU T.81, annex C): those of n bits count upwards from twice the number after the last of n - 1
 * bits. Codes of up to 8 bits are looked up by the next 8 bits; longer ones are compared with the last of each length.
 */
const shortBits = 8;

/** What decodes the codes of one Huffman table. */
export class HuffmanTable {
  /** By the next 8 bits: (length << 8) | value of the code they start with; 0: it is longer. */
  private readonly short = new Uint16Array(1 << shortBits);
  /** By length: the number after the last code of it, and what to add to a code for the place of its value. */
  private readonly ends = new Int32Array(17);
  private readonly places = new Int32Array(17);
  private readonly values: Uint8Array;

  /**
   * @param at where the table starts: how many codes have 1 to 16 bits, then their values in order
   * @param wrong throws; called when there are more codes of a length than there can be
   */
  constructor(bytes: Uint8Array, at: number, wrong: (reason: string) => never) {
    const counts = bytes.subarray(at, at + 16);
    this.values = bytes.subarray(at + 16);
    let code = 0;
    let place = 0;
    for (let length = 1; length <= 16; length++) {
      const count = counts[length - 1]!;
      this.places[length] = place - code;
      for (let i = 0; i < count; i++, code++, place++) {
        if (length > shortBits) continue;
        const spread = shortBits - length;
        this.short.fill((length << 8) | this.values[place]!, code << spread, (code + 1) << spread);
      }
      if (code > 1 << length) wrong('more Huffman codes than there are');
      this.ends[length] = code;
      code <<= 1;
    }
  }

  /** The value of the next code. */
  read(bits: BitReader): number {
    const found = this.short[bits.peek(shortBits)]!;
    if (found !== 0) {
      bits.skip(found >> 8);
      return found & 255;
    }
    const next = bits.peek(16);
    for (let length = shortBits + 1; length <= 16; length++) {
      const code = next >> (16 - length);
      if (code >= this.ends[length]!) continue;
      bits.skip(length);
      return this.values[code + this.places[length]!]!;
    }
    return bits.wrong('bits that are no Huffman code');
  }
}

/** Reads a stretch of coded data bit by bit, the highest of each byte first. */
export class BitReader {
  private at = 0;
  private end = 0;
  /** The next `count` bits, the lowest of the word. */
  private word = 0;
  private count = 0;
  /** Bits of zero added after the end. */
  private added = 0;

  constructor(
    private readonly bytes: Uint8Array,
    readonly wrong: (reason: string) => never,
  ) {}

  /** Goes on with the stretch from byte `from` to `to`. */
  start(from: number, to: number): void {
    this.at = from;
    this.end = to;
    this.count = 0;
    this.added = 0;
  }

  /** Whether more bits were read than there are. */
  get exhausted(): boolean {
    return this.added > this.count;
  }

  /** The next n bits, 1 to 16, which stay. */
  peek(n: number): number {
    if (this.count < n) this.fill();
    return (this.word >>> (this.count - n)) & ((1 << n) - 1);
  }

  skip(n: number): void {
    this.count -= n;
  }

  /** The next n bits, 0 to 16, as a number. */
  read(n: number): number {
    if (n === 0) return 0;
    const value = this.peek(n);
    this.count -= n;
    return value;
  }

  /** A number of n bits with its sign: the lower half of the range stands for negative ones. */
  readSigned(n: number): number {
    const value = this.read(n);
    return value < (1 << n) >> 1 ? value - (1 << n) + 1 : value;
  }

  private fill(): void {
    while (this.count <= 24) {
      let byte = 0;
      if (this.at < this.end) {
        byte = this.bytes[this.at++]!;
        // 0xFF is followed by a zero that isn't part of the data.
        if (byte === 0xff) this.at++;
      } else {
        this.added += 8;
      }
      this.word = (this.word << 8) | byte;
      this.count += 8;
    }
  }
}
