/**
 * Selection along an axis. `gather` writes an element (of uint8 tensors the four bytes of a word) by an invocation;
 * `scatterAdd` turns the sum around: each output element looks through the indices for itself, so the order is
 * fixed. `topk` gives a workgroup to each row; it finds the k largest one after the other.
 */
import type { Kernels } from '../../../../core/backend.js';
import { sizeOf, type View } from '../../../../core/shape.js';
import { type Recorder, workgroupSize } from '../../runtime/recorder.js';
import { numbered, sumOf } from '../wgsl.js';

/** Statements that give `o`, `j`, `i` of `element` in [O, J, I] and `a`, the index there. */
const indexAt = `let i = element % u.I; let j = element / u.I % u.J; let o = element / (u.I * u.J);
let a = index_[u.index_At + o * u.s0 + j * u.s1 + i * u.s2];`;

/** See `Kernels.gather`. */
export function gather(recorder: Recorder, { x, index, out }: Kernels['gather']): void {
  const [, A = 0, I = 0] = x.shape;
  const size = sizeOf(out.shape);
  const shared = {
    i32: { size, A, I, J: out.shape[1]!, ...numbered('s', index.strides) },
    read: { x, index_: index },
    write: { out },
  };
  const from = 'u.xAt + (o * u.A + clamp(a, 0, u.A - 1)) * u.I + i';
  const inside = 'a >= 0 && a < u.A';
  if (out.dtype !== 'uint8') {
    const missing = out.dtype === 'int32' ? '0' : 'u.nan';
    recorder.dispatch({
      ...shared,
      key: `gather`,
      body: () => `let element = index;
${indexAt}
var value = ${missing};
if (${inside}) { value = x[${from}]; }
out[u.outAt + element] = value;`,
      f32: { nan: NaN },
      run: { invocations: size },
    });
    return;
  }
  recorder.dispatch({
    ...shared,
    key: 'gather bytes',
    body: () => `let at = u.outAt / 4 + index;
var word = out[at];
for (var lane = 0; lane < 4; lane++) {
  let element = at * 4 + lane - u.outAt;
  if (element < 0 || element >= u.size) { continue; }
${indexAt}
  let source = ${from};
  let byte = select(0u, extractBits(x[source / 4], u32(source % 4) * 8u, 8u), ${inside});
  word = insertBits(word, byte, u32(lane) * 8u, 8u);
}
out[at] = word;`,
    run: { invocations: size === 0 ? 0 : Math.ceil(((out.offset % 4) + size) / 4) },
  });
}

/** See `Kernels.scatterAdd`. */
export function scatterAdd(recorder: Recorder, { grad, index, out }: Kernels['scatterAdd']): void {
  const [, A = 0, I = 0] = out.shape;
  recorder.dispatch({
    key: 'scatterAdd',
    body: () => {
      const zero = out.dtype === 'float32' ? '0.0' : '0';
      const found = `var found = ${zero};
if (index_[u.index_At + o * u.s0 + j * u.s1 + i * u.s2] == a) { found = grad[u.gradAt + (o * u.J + j) * u.I + i]; }`;
      return `let i = index % u.I; let a = index / u.I % u.A; let o = index / (u.I * u.A);
${sumOf({ sum: 'sum', zero, i: 'j', from: '0', to: 'u.J', step: '1' }, 4, found, 'found')}
out[u.outAt + index] = sum;`;
    },
    i32: { A, I, J: grad.shape[1]!, ...numbered('s', index.strides) },
    read: { grad, index_: index },
    write: { out },
    run: { invocations: sizeOf(out.shape) },
  });
}

/** How a row's elements become unsigned numbers of the same order (NaN largest, -0 equal to 0). */
const keyFunctions = {
  float32: `fn keyOf(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) { return 0xffffffffu; }
  if ((bits & 0x7fffffffu) == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}`,
  int32: 'fn keyOf(x: i32) -> u32 { return bitcast<u32>(x) ^ 0x80000000u; }',
} as const;

/** See `Kernels.topk`. */
export function topk(recorder: Recorder, { x, values, indices }: Kernels['topk']): void {
  const [R = 0, C = 0] = x.shape;
  const k = values.shape[1]!;
  if (k === 0) return;
  const bytes = x.dtype === 'uint8';
  const element = bytes ? 'extractBits(x[(row + j) / 4], u32((row + j) % 4) * 8u, 8u)' : 'keyOf(x[row + j])';
  // Candidates are (key, index) pairs, the better one first: larger key, then smaller index.
  recorder.dispatch({
    key: 'topk',
    functions: () => `${x.dtype === 'float32' || x.dtype === 'int32' ? keyFunctions[x.dtype] : ''}
struct Candidate { key: u32, at: i32 }
fn better(a: Candidate, b: Candidate) -> bool { return a.key > b.key || (a.key == b.key && a.at < b.at); }
var<workgroup> parts: array<Candidate, ${workgroupSize}>;`,
    body: () => `let row = u.xAt + workgroup * u.C;
let none = Candidate(0u, u.C);
var last = Candidate(0xffffffffu, -1);
for (var rank = 0; rank < u.k; rank++) {
  var best = none;
  for (var j = local; j < u.C; j += ${workgroupSize}) {
    let candidate = Candidate(${element}, j);
    if (better(last, candidate) && better(candidate, best)) { best = candidate; }
  }
  parts[local] = best;
  workgroupBarrier();
  for (var half = ${workgroupSize / 2}; half > 0; half /= 2) {
    if (local < half && better(parts[local + half], parts[local])) { parts[local] = parts[local + half]; }
    workgroupBarrier();
  }
  last = parts[0];
  workgroupBarrier();
  if (local == 0) {
    indices[u.indicesAt + workgroup * u.k + rank] = last.at;
    ${bytes ? '' : 'values[u.valuesAt + workgroup * u.k + rank] = x[row + last.at];'}
  }
}`,
    i32: { C, k },
    read: { x },
    write: bytes ? { indices } : { values, indices },
    run: { workgroups: R },
  });
  if (bytes) gather(recorder, byRows(x, indices, values));
}

/** The values at `indices`, as a gather over [R, C, 1]. */
function byRows(x: View, indices: View, values: View): Kernels['gather'] {
  const column = (view: View): View => ({
    ...view,
    shape: [...view.shape, 1],
    strides: [...view.strides, 1],
  });
  return { x: column(x), index: column(indices), out: column(values) };
}
