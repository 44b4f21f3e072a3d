/**
 * Packing: copies a strip of a matrix into the order in which the micro-kernel reads it.
 *
 *     to[k][x] = source[lane(x) + depth(k)]
 *
 * where `lane` and `depth` are offsets in bytes. For plain matrices they are multiples of a stride ("strided"); for
 * convolutions they stand in two tables ("tables"): with offsets of pixels as lanes and of kernel taps as depth the
 * strip is one of the matrix that im2col would have made, without ever making it. Any stride, padding or group is a
 * matter of the tables, and swapping the two gives the transposed matrix.
 *
 * Of the four ways to copy, the first that fits is taken:
 *   - lanes side by side: vectors are copied;
 *   - lanes in two runs (8 or 16 pixels that go on in the next row): both runs are loaded and blended;
 *   - four steps of depth side by side: 4 x 4 blocks are loaded and transposed;
 *   - else one number at a time.
 * The lanes' offsets must rise; those of the depth may come in any order.
 */
import type { FuncBuilder, ModuleBuilder } from '../../asm/assembler.js';
import { choose, forRange, if_, while_ } from '../../asm/flow.js';
import {
  type Code,
  f32,
  i32,
  i32x4,
  type Local,
  type V128,
  type Value,
  v128,
} from '../../asm/instructions.js';

/** How lanes and depth find their offsets: as multiples of a stride, or in tables. */
export type Addressing = 'strided' | 'tables';

type Address = Local<'i32'>;

/** The offset of index `i`: `base` is the stride or the table's address. */
function offsetAt(addressing: Addressing, base: Address, i: Value<'i32'> | number): Value<'i32'> {
  return addressing === 'strided' ? i32.mul(base, i) : i32.load(i32.add(base, i32.shl(i, 2)));
}

/** Walks along the depth: `cursor` is the offset itself when strided, else its place in the table. */
class Walk {
  constructor(
    private readonly addressing: Addressing,
    private readonly depth: Address,
    private readonly cursor: Address,
    private readonly remaining: Address,
  ) {}

  /** Goes to the step `from`, to walk up to `end`. */
  start(from: Address, end: Address): Code {
    const { addressing, depth } = this;
    return [
      this.cursor.set(addressing === 'strided' ? i32.mul(depth, from) : i32.add(depth, i32.shl(from, 2))),
      this.remaining.set(i32.sub(end, from)),
    ];
  }

  get offset(): Value<'i32'> {
    return this.addressing === 'strided' ? this.cursor : i32.load(this.cursor);
  }

  /** Whether four steps are left and lie side by side. */
  get fourInARow(): Value<'i32'> {
    const fromFirst = i32x4.sub(v128.load(this.cursor), v128.load32Splat(this.cursor));
    const sideBySide =
      this.addressing === 'strided'
        ? i32.eq(this.depth, 4)
        : i32.eqz(v128.anyTrue(v128.xor(fromFirst, i32x4.const(0, 4, 8, 12))));
    return choose(i32.geU(this.remaining, 4), sideBySide, 0);
  }

  next(steps = 1): Code {
    const step = this.addressing === 'strided' ? this.depth : i32.const(4);
    return [
      this.cursor.set(i32.add(this.cursor, steps === 1 ? step : i32.mul(step, steps))),
      this.remaining.set(i32.sub(this.remaining, steps)),
    ];
  }
}

/** Copies `width` numbers that lie side by side: all vectors are read before any is written, so that pairs are fused. */
function copyLanes(to: Address, from: Address, width: number, vectors: readonly Local<'v128'>[]): Code {
  const whole = vectors.slice(0, Math.floor(width / 4));
  const code: Code[] = [
    whole.map((vector, v) => vector.set(v128.load(from, 16 * v))),
    whole.map((vector, v) => v128.store(to, vector, 16 * v)),
  ];
  const x = 4 * whole.length;
  if (width - x >= 2) code.push(v128.store64Lane(to, v128.load64Zero(from, 4 * x), 0, 4 * x));
  if (width % 2 === 1) code.push(f32.store(to, f32.load(from, 4 * width - 4), 4 * width - 4));
  return code;
}

/** Loads four steps from each lane and stores them transposed: in fours, a pair, a single one. */
function transposeFour(to: Address, lanes: readonly Value<'i32'>[], vectors: readonly Local<'v128'>[]): Code {
  const width = lanes.length;
  const code: Code[] = [];
  const at = (step: number, x: number) => 4 * (step * width + x);
  let x = 0;
  for (; x + 4 <= width; x += 4) {
    const rows = [0, 1, 2, 3].map((i) => vectors[i]!);
    const [lowA, highA, lowB, highB] = [4, 5, 6, 7].map((i) => vectors[i]!);
    const [r0, r1, r2, r3] = rows;
    code.push(
      rows.map((row, i) => row.set(v128.load(lanes[x + i]!))),
      lowA!.set(v128.shuffle32(r0!, r1!, 0, 4, 1, 5)),
      highA!.set(v128.shuffle32(r0!, r1!, 2, 6, 3, 7)),
      lowB!.set(v128.shuffle32(r2!, r3!, 0, 4, 1, 5)),
      highB!.set(v128.shuffle32(r2!, r3!, 2, 6, 3, 7)),
      v128.store(to, v128.shuffle32(lowA!, lowB!, 0, 1, 4, 5), at(0, x)),
      v128.store(to, v128.shuffle32(lowA!, lowB!, 2, 3, 6, 7), at(1, x)),
      v128.store(to, v128.shuffle32(highA!, highB!, 0, 1, 4, 5), at(2, x)),
      v128.store(to, v128.shuffle32(highA!, highB!, 2, 3, 6, 7), at(3, x)),
    );
  }
  if (width - x >= 2) {
    const [r0, r1, pair] = [vectors[0]!, vectors[1]!, vectors[4]!];
    code.push(r0.set(v128.load(lanes[x]!)), r1.set(v128.load(lanes[x + 1]!)));
    for (const half of [0, 2]) {
      code.push(
        pair.set(v128.shuffle32(r0, r1, half, half + 4, half + 1, half + 5)),
        v128.store64Lane(to, pair, 0, at(half, x)),
        v128.store64Lane(to, pair, 1, at(half + 1, x)),
      );
    }
    x += 2;
  }
  if (x < width) {
    code.push([0, 1, 2, 3].map((step) => f32.store(to, f32.load(lanes[x]!, 4 * step), at(step, x))));
  }
  return code;
}

/**
 * Emits the packing of a whole strip of `width` lanes, from lane `first` and from depth `from` up to `end`:
 * `(source, lanes, first, depth, from, end, to)`.
 */
export function emitPackStrip(
  module: ModuleBuilder,
  addressing: Addressing,
  width: number,
): FuncBuilder<null> {
  const f = module.func(`packStrip${width}`);
  const { source, lanes, first } = f.params('i32', 'source', 'lanes', 'first');
  const { depth, from, end, to } = f.params('i32', 'depth', 'from', 'end', 'to');
  const { cursor, remaining, offset, near, far } = f.locals(
    'i32',
    'cursor',
    'remaining',
    'offset',
    'near',
    'far',
  );
  const masks = f.array('v128', Math.floor(width / 4));
  const starts = f.array('i32', width);
  const vectors = f.array('v128', 8);
  // Vectors of a turn are empty at its end, as in `Lanes.turn`.
  const { zero } = f.locals('v128', 'zero');
  const emptied = vectors.slice(0, Math.floor(width / 4)).map((vector) => vector.set(zero));
  const walk = new Walk(addressing, depth, cursor, remaining);
  const span = 4 * (width - 1);
  const [firstStart, lastStart] = [starts[0]!, starts[width - 1]!];
  const advance = (steps: number) => [to.set(i32.add(to, 4 * width * steps)), walk.next(steps)];

  const copy = while_(remaining, [
    near.set(i32.add(firstStart, walk.offset)),
    copyLanes(to, near, width, vectors),
    emptied,
    advance(1),
  ]);
  const transpose = while_(
    remaining,
    if_(
      walk.fourInARow,
      [
        offset.set(walk.offset),
        transposeFour(
          to,
          starts.map((start) => i32.add(start, offset)),
          vectors,
        ),
        advance(4),
      ],
      [
        offset.set(walk.offset),
        starts.map((start, x) => f32.store(to, f32.load(i32.add(start, offset)), 4 * x)),
        advance(1),
      ],
    ),
  );
  // Two runs: lanes are `first start + 4 x` up to some x, `last start - span + 4 x` from there.
  const inRun = (base: Value<'i32'>, v: number): V128 =>
    i32x4.eq(
      i32x4.sub(v128.load(i32.add(lanes, i32.shl(first, 2)), 16 * v), i32x4.splat(i32.sub(base, source))),
      i32x4.const(16 * v, 16 * v + 4, 16 * v + 8, 16 * v + 12),
    );
  const lastRun = i32.sub(lastStart, span);
  const bothRuns = masks
    .map((mask, v) => v128.or(mask.tee(inRun(firstStart, v)), inRun(lastRun, v)))
    .reduce((all, one) => v128.and(all, one));
  const blend = while_(remaining, [
    offset.set(walk.offset),
    near.set(i32.add(firstStart, offset)),
    far.set(i32.add(lastRun, offset)),
    masks.map((mask, v) =>
      vectors[v]!.set(v128.bitselect(v128.load(near, 16 * v), v128.load(far, 16 * v), mask)),
    ),
    masks.map((_, v) => v128.store(to, vectors[v]!, 16 * v)),
    advance(1),
  ]);
  return f.body(
    starts.map((start, x) =>
      start.set(i32.add(source, offsetAt(addressing, lanes, x === 0 ? first : i32.add(first, x)))),
    ),
    walk.start(from, end),
    if_(
      i32.eq(i32.sub(lastStart, firstStart), span),
      copy,
      addressing === 'tables' && width % 8 === 0
        ? if_(i32.eq(i32x4.bitmask(bothRuns), 15), blend, transpose)
        : transpose,
    ),
  );
}

/**
 * Emits the packing of a strip of `width` lanes of which `count` exist; the lanes beyond are zeros: `(source, lanes,
 * first, count, width, depth, from, end, to)`.
 */
export function emitPackEdge(module: ModuleBuilder, addressing: Addressing): FuncBuilder<null> {
  const f = module.func('packEdge');
  const { source, lanes, first } = f.params('i32', 'source', 'lanes', 'first');
  const { count, width } = f.params('i32', 'count', 'width');
  const { depth, from, end, to } = f.params('i32', 'depth', 'from', 'end', 'to');
  const { cursor, remaining, offset, x, fours } = f.locals(
    'i32',
    'cursor',
    'remaining',
    'offset',
    'x',
    'fours',
  );
  const walk = new Walk(addressing, depth, cursor, remaining);
  const element = i32.add(i32.add(source, offset), offsetAt(addressing, lanes, i32.add(first, x)));
  const sideBySide = addressing === 'strided' ? i32.eq(lanes, 4) : 0;
  return f.body(
    walk.start(from, end),
    if_(sideBySide, fours.set(i32.and(count, -4))),
    while_(remaining, [
      offset.set(walk.offset),
      forRange(x, 0, fours, 4, [v128.store(to, v128.load(element)), to.set(i32.add(to, 16))]),
      while_(i32.ltU(x, width), [
        f32.store(to, 0),
        if_(i32.ltU(x, count), f32.store(to, f32.load(element))),
        to.set(i32.add(to, 4)),
        x.set(i32.add(x, 1)),
      ]),
      walk.next(),
    ]),
  );
}
