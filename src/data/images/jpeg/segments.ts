/**
 * The segments of a JPEG (ITU T.81, annex B): 0xFF, a marker byte, a big-endian length (itself included) and a body;
 * after the body of a scan's header (SOS) its coded data, up to the next marker. Within coded data 0xFF 0x00 is a byte
 * 0xFF, and the restart markers D0-D7 stand between intervals.
 *
 * As libjpeg does, the walk passes over fill bytes (0xFF), over bytes that are no marker between segments, and over
 * markers without a body (TEM, stray restarts and starts).
 */

/** Markers that have names here. */
export const marker = {
  soi: 0xd8,
  eoi: 0xd9,
  sos: 0xda,
  dqt: 0xdb,
  dnl: 0xdc,
  dri: 0xdd,
  dhp: 0xde,
  dht: 0xc4,
};

/** A segment: its body is bytes `from` to `to`; that of a scan is followed by coded data up to `dataEnd`. */
export interface Segment {
  readonly marker: number;
  readonly from: number;
  readonly to: number;
  /** Equals `to` for all but scans. */
  readonly dataEnd: number;
}

const isRestart = (byte: number | undefined): boolean => byte !== undefined && byte >= 0xd0 && byte <= 0xd7;

/** The segments of a JPEG between its start and its end, or the first that is broken off. */
export function* segmentsOf(bytes: Uint8Array): Generator<Segment, void, void> {
  for (let at = 2; ; ) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) return;
    const code = bytes[at + 1];
    if (code === 0 || code === 0xff || code === 0x01 || code === marker.soi || isRestart(code)) {
      at += code === 0xff ? 1 : 2;
      continue;
    }
    const [high, low] = [bytes[at + 2], bytes[at + 3]];
    if (code === undefined || code === marker.eoi || high === undefined || low === undefined) return;
    const from = at + 4;
    const to = at + 2 + 256 * high + low;
    if (to < from || to > bytes.length) return;
    at = code === marker.sos ? codedEnd(bytes, to) : to;
    yield { marker: code, from, to, dataEnd: at };
  }
}

/** Where coded data that start at `from` end: at the next marker that is no restart. */
function codedEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; ; ) {
    at = bytes.indexOf(0xff, at);
    if (at < 0) return bytes.length;
    const next = bytes[at + 1];
    if (next === 0xff) at += 1;
    else if (next === 0 || isRestart(next)) at += 2;
    else return at;
  }
}

/**
 * The stretches of coded data between restart markers, in order.
 * @throws by `wrong`, with what is wrong, where the markers don't count 0 to 7 in turn.
 */
export function* intervalsOf(
  bytes: Uint8Array,
  from: number,
  to: number,
  wrong: (reason: string) => never,
): Generator<{ from: number; to: number }, void, void> {
  let start = from;
  let count = 0;
  for (let at = from; ; ) {
    at = bytes.indexOf(0xff, at);
    if (at < 0 || at >= to - 1) break;
    const next = bytes[at + 1]!;
    if (isRestart(next)) {
      yield { from: start, to: at };
      const expected = 0xd0 + (count++ % 8);
      if (next !== expected) wrong(`restart marker ${next - 0xd0} where ${expected - 0xd0} belongs`);
      start = at + 2;
    }
    at += next === 0xff ? 1 : 2;
  }
  yield { from: start, to };
}
