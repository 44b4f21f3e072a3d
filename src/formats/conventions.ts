/**
 * Weights from one library's conventions to those here: small functions from weights by name to weights by name, to be
 * used one after the other (`loadWeights`'s option `convert`).
 *
 *     kernels         [KH, KW, in, out]  (TensorFlow)       to  [out, in, KH, KW]
 *     matrices        [in, out]          (TensorFlow)       to  [out, in]
 *     after Flatten   columns as H, W, C                    to  columns as C, H, W
 *     first kernels   blue, green, red   (Caffe, OpenCV)    to  red, green, blue
 *     towers          a layer's kernels in several tensors  to  one tensor of all of them, and back
 *     dropout         trained with outputs halved at test   to  inverted dropout, by scaling the weights
 */
import { ArgumentError } from '../core/errors.js';
import { contiguousStrides, dtypeOf, formatShape, makeArray, type Shape, sizeOf } from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { printable } from './printable.js';

/** Turns weights by name into weights by name. */
export type Convert = (tensors: StateDict) => StateDict;

/** Which weights: one name, names that match, or all that a function says. */
export type Which = string | RegExp | ((name: string, tensor: HostTensor) => boolean);

/** New names of weights: by a table, in which null leaves a weight out and those that it lacks stay; or by a function. */
export type Rename = Readonly<Record<string, string | null>> | ((name: string) => string | null);

function chosen(which: Which, name: string, tensor: HostTensor): boolean {
  if (typeof which === 'function') return which(name, tensor);
  return typeof which === 'string' ? which === name : which.test(name);
}

/** Changes the weights that are chosen, one by one. */
function each(which: Which, change: (tensor: HostTensor, name: string) => HostTensor): Convert {
  return (tensors) =>
    new Map([...tensors].map(([name, x]) => [name, chosen(which, name, x) ? change(x, name) : x]));
}

function fail(op: string, name: string, problem: string): never {
  throw new ArgumentError(`${op}: ${printable(name, 80)} ${problem}`);
}

/** x's elements with axis i of the result being axis `order[i]` of x. */
function permuted({ shape, data }: HostTensor, order: readonly number[]): HostTensor {
  const strides = contiguousStrides(shape);
  return taken(
    data,
    order.map((axis) => shape[axis] ?? 1),
    order.map((axis) => strides[axis] ?? 0),
    0,
  );
}

/** Elements of row-major numbers by their strides. */
function taken(
  data: HostTensor['data'],
  shape: Shape,
  strides: readonly number[],
  offset: number,
): HostTensor {
  const result = makeArray(dtypeOf(data), sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < result.length; i++) {
    result[i] = data[at] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const [n = 1, step = 0, place = 0] = [shape[axis], strides[axis], index[axis]];
      at += step;
      index[axis] = place + 1;
      if (place + 1 < n) break;
      at -= n * step;
      index[axis] = 0;
    }
  }
  return { shape, data: result };
}

/** Other names. @throws {ArgumentError} when two weights would have one name */
export function renamed(rename: Rename): Convert {
  const rule = (name: string): string | null => {
    if (typeof rename === 'function') return rename(name);
    const given = Object.hasOwn(rename, name) ? rename[name] : undefined;
    return given === undefined ? name : given;
  };
  return (tensors) => {
    const found = new Map<string, HostTensor>();
    for (const [name, tensor] of tensors) {
      const now = rule(name);
      if (now === null) continue;
      if (found.has(now)) fail('renamed', name, `becomes ${printable(now, 80)}, as another weight does`);
      found.set(now, tensor);
    }
    return found;
  };
}

/**
 * Convolution kernels `[KH, KW, in, out]` as `[out, in, KH, KW]`.
 * @param which by default all of four axes
 * @throws {ArgumentError} for others than four axes
 */
export function fromHwio(which: Which = (_name, { shape }) => shape.length === 4): Convert {
  return each(which, (x, name) => {
    if (x.shape.length !== 4)
      fail('fromHwio', name, `is ${formatShape(x.shape)}, expected [KH, KW, in, out]`);
    return permuted(x, [3, 2, 0, 1]);
  });
}

/**
 * Matrices `[in, out]` as `[out, in]`.
 * @param which by default all of two axes
 * @throws {ArgumentError} for others than two axes
 */
export function fromInOut(which: Which = (_name, { shape }) => shape.length === 2): Convert {
  return each(which, (x, name) => {
    if (x.shape.length !== 2) fail('fromInOut', name, `is ${formatShape(x.shape)}, expected [in, out]`);
    return permuted(x, [1, 0]);
  });
}

/**
 * A matrix `[out, in]` that reads flattened maps `[H, W, C]`, for maps `[C, H, W]`.
 * @param maps their shape `[C, H, W]`
 * @throws {ArgumentError} when the matrix reads other than as many numbers
 */
export function afterFlatten(which: Which, maps: readonly [number, number, number]): Convert {
  return each(which, (x, name) => {
    const [out = 0, inputs] = x.shape;
    if (x.shape.length !== 2 || inputs !== sizeOf(maps))
      fail('afterFlatten', name, `is ${formatShape(x.shape)}, expected [out, ${sizeOf(maps)}]`);
    const [c, h, w] = maps;
    return { ...permuted({ ...x, shape: [out, h, w, c] }, [0, 3, 1, 2]), shape: x.shape };
  });
}

/** Kernels `[out, in, KH, KW]` that read blue, green, red, for red, green, blue. @throws {ArgumentError} unless they read three */
export function fromBgr(which: Which): Convert {
  return each(which, (x, name) => {
    const [, channels] = x.shape;
    if (channels !== 3) fail('fromBgr', name, `is ${formatShape(x.shape)}, expected [out, 3, KH, KW]`);
    const strides = contiguousStrides(x.shape);
    const reversed = strides.map((step, axis) => (axis === 1 ? -step : step));
    return taken(x.data, x.shape, reversed, 2 * (strides[1] ?? 0));
  });
}

/** Weights times a number: 0.5 where a net was trained by dropout that isn't inverted, and halves at test time. */
export function scaled(which: Which, factor: number): Convert {
  return each(which, ({ shape, data }) => {
    const result = makeArray(dtypeOf(data), data.length);
    for (let i = 0; i < data.length; i++) result[i] = (data[i] ?? 0) * factor;
    return { shape, data: result };
  });
}

/**
 * Several weights joined along the first axis into one, `name`: the towers of a layer.
 * @throws {ArgumentError} for weights that are missing, or whose other sizes or types differ
 */
export function joinedTowers(name: string, parts: readonly string[]): Convert {
  return (tensors) => {
    const found = parts.map((part) => tensors.get(part) ?? fail('joinedTowers', part, 'is missing'));
    const [first] = found;
    if (!first) return fail('joinedTowers', name, 'has no parts');
    const rest = String(first.shape.slice(1));
    const type = dtypeOf(first.data);
    for (const [i, { shape, data }] of found.entries()) {
      if (shape.length !== first.shape.length || String(shape.slice(1)) !== rest || dtypeOf(data) !== type) {
        const other = `is ${formatShape(shape)} ${dtypeOf(data)}, ${parts[0]} ${formatShape(first.shape)} ${type}`;
        fail('joinedTowers', parts[i] ?? '', other);
      }
    }
    const rows = found.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
    const data = makeArray(type, rows * sizeOf(first.shape.slice(1)));
    let start = 0;
    for (const part of found) {
      data.set(part.data, start);
      start += part.data.length;
    }
    const others = [...tensors].filter(([key]) => !parts.includes(key));
    return new Map([...others, [name, { shape: [rows, ...first.shape.slice(1)], data }]]);
  };
}

/**
 * One weight cut along the first axis into as many equal ones as there are names.
 * @throws {ArgumentError} for a weight that is missing, or has other rows
 */
export function cutIntoTowers(name: string, parts: readonly string[]): Convert {
  return (tensors) => {
    const { shape, data } = tensors.get(name) ?? fail('cutIntoTowers', name, 'is missing');
    const [rows = 0, ...rest] = shape;
    const each = rows / parts.length;
    if (shape.length === 0 || !Number.isInteger(each))
      fail('cutIntoTowers', name, `is ${formatShape(shape)}, which isn't ${parts.length} equal parts`);
    const size = each * sizeOf(rest);
    const cut = parts.map((part, i): [string, HostTensor] => [
      part,
      { shape: [each, ...rest], data: data.slice(i * size, (i + 1) * size) },
    ]);
    return new Map([...[...tensors].filter(([key]) => key !== name), ...cut]);
  };
}
