/**
 * Caffe's `.caffemodel`: a protocol-buffer `NetParameter` with a layer's weights in its blobs. Field numbers:
 *
 *     NetParameter      name 1    layers (V1) 2    layer 100
 *     LayerParameter    name 1    type 2 (text)    bottom 3    top 4    blobs 7    convolution_param 106
 *     V1LayerParameter  bottom 2  top 3            name 4      type 5   blobs 6    convolution_param 10
 *     BlobProto         num 1  channels 2  height 3  width 4   data 5   shape 7 (dim 1)   double_data 8
 *     ConvolutionParameter  num_output 1  group 5
 *
 * Older blobs have four sizes instead of a shape: a bias of n is 1x1x1xn, a matrix 1x1xOxI. A convolution's kernels are
 * `[O, I / group, KH, KW]` and a product's matrix `[O, I]`, as here. What else a layer's settings say isn't read.
 */
import { DataError } from '../core/errors.js';
import { formatShape, sizeOf, type TypedArray } from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { readNumbers } from './numbers.js';
import { printable } from './printable.js';
import { failing, GrowingBytes, readMessage } from './protobuf.js';

/** A layer as a file has it. */
export interface CaffeLayer {
  readonly name: string;
  /** As newer files name it: 'Convolution', 'InnerProduct'; of older ones unknown to this list, 'V1:39'. */
  readonly type: string;
  /** Names of what it reads and what it writes. */
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  /** Of a convolution's channels; 1 elsewhere. */
  readonly groups: number;
  /** Its blobs as they are in the file. */
  readonly blobs: readonly HostTensor[];
}

/** A file's layers in order, and its weights. */
export interface CaffeModel {
  readonly name: string;
  readonly layers: readonly CaffeLayer[];
  /**
   * Weights of convolutions and products under the names that PyTorch would give them, `conv1.weight` and `conv1.bias`,
   * of the shapes that layers have here; the blobs of other layers by number, `norm.0`.
   */
  readonly tensors: StateDict;
}

/** V1LayerParameter.LayerType of the layers that have weights, or that a net of images is made of. */
const v1Types: ReadonlyMap<number, string> = new Map([
  [3, 'Concat'],
  [4, 'Convolution'],
  [5, 'Data'],
  [6, 'Dropout'],
  [8, 'Flatten'],
  [14, 'InnerProduct'],
  [15, 'LRN'],
  [17, 'Pooling'],
  [18, 'ReLU'],
  [19, 'Sigmoid'],
  [20, 'Softmax'],
  [21, 'SoftmaxWithLoss'],
  [22, 'Split'],
  [23, 'TanH'],
  [25, 'Eltwise'],
  [39, 'Deconvolution'],
]);

const convolutions = ['Convolution', 'Deconvolution'];

/** Where a layer's fields are. */
const placesOfLayer = { name: 1, type: 2, bottom: 3, top: 4, blobs: 7, convolution: 106 } as const;
const placesOfV1 = { name: 4, type: 5, bottom: 2, top: 3, blobs: 6, convolution: 10 } as const;

/**
 * Reads a file's bytes: of both versions. The numbers share the file's memory where they can.
 * @param file its name, for messages
 * @throws {DataError} for a damaged file, blobs that their numbers don't fill, layers without weights, and names that
 * come twice
 */
export function decodeCaffe(bytes: Uint8Array, file: string): CaffeModel {
  let name = '';
  const layers: CaffeLayer[] = [];
  readMessage(bytes, failing(file), (number, field) => {
    if (number === 1) name = field.text();
    if (number === 2) layers.push(readLayer(field.bytes(), file, placesOfV1));
    if (number === 100) layers.push(readLayer(field.bytes(), file, placesOfLayer));
  });
  const tensors = new Map<string, HostTensor>();
  for (const layer of layers) {
    for (const [i, blob] of layer.blobs.entries()) {
      const [key, tensor] = namedBlob(layer, blob, i);
      if (tensors.has(key))
        throw new DataError(`${file}: has two layers ${printable(layer.name, 80)} with weights`);
      tensors.set(key, tensor);
    }
  }
  if (tensors.size === 0) throw new DataError(`${file}: no Caffe model: no layer has weights`);
  return { name, layers, tensors };
}

/** A blob under the name it has as a parameter, without the sizes of 1 that older files put before its own. */
function namedBlob({ name, type }: CaffeLayer, { shape, data }: HostTensor, i: number): [string, HostTensor] {
  const convolution = convolutions.includes(type);
  if (i > 1 || (!convolution && type !== 'InnerProduct')) return [`${name}.${i}`, { shape, data }];
  const rank = i === 1 ? 1 : convolution ? 4 : 2;
  const extra = Math.max(0, shape.length - rank);
  const own = shape.slice(0, extra).every((n) => n === 1) ? shape.slice(extra) : shape;
  return [`${name}.${i === 0 ? 'weight' : 'bias'}`, { shape: own, data }];
}

function readLayer(
  bytes: Uint8Array,
  file: string,
  places: typeof placesOfLayer | typeof placesOfV1,
): CaffeLayer {
  const held = { name: '', type: '', groups: 1 };
  const [bottoms, tops]: [string[], string[]] = [[], []];
  const blobs: Uint8Array[] = [];
  readMessage(bytes, failing(file, 'a layer'), (number, field) => {
    if (number === places.name) held.name = field.text();
    else if (number === places.bottom) bottoms.push(field.text());
    else if (number === places.top) tops.push(field.text());
    else if (number === places.blobs) blobs.push(field.bytes());
    else if (number === places.convolution) held.groups = readGroups(field.bytes(), file);
    else if (number === places.type && places === placesOfLayer) held.type = field.text();
    else if (number === places.type) {
      const code = field.int();
      held.type = v1Types.get(code) ?? `V1:${code}`;
    }
  });
  const read = (blob: Uint8Array, i: number): HostTensor =>
    readBlob(blob, file, `${printable(held.name, 80)}, blob ${i}`);
  return { ...held, bottoms, tops, blobs: blobs.map(read) };
}

function readGroups(bytes: Uint8Array, file: string): number {
  let groups = 1;
  readMessage(bytes, failing(file, 'a convolution'), (number, field) => {
    if (number === 5) groups = field.int();
  });
  if (!(Number.isSafeInteger(groups) && groups >= 1))
    throw new DataError(`${file}: a convolution of ${groups} groups`);
  return groups;
}

function readBlob(bytes: Uint8Array, file: string, what: string): HostTensor {
  const fail = failing(file, what);
  const legacy: (number | undefined)[] = [undefined, undefined, undefined, undefined];
  let shape: number[] | null = null;
  const [floats, doubles] = [new GrowingBytes(), new GrowingBytes()];
  readMessage(bytes, fail, (number, field) => {
    if (number >= 1 && number <= 4) legacy[number - 1] = field.int();
    if (number === 5) field.fixedInto(floats, 4);
    if (number === 8) field.fixedInto(doubles, 8);
    if (number !== 7) return;
    const sizes: number[] = [];
    readMessage(field.bytes(), fail, (axis, size) => {
      if (axis === 1) size.intsInto(sizes);
    });
    shape = sizes;
  });
  const sizes: readonly number[] =
    shape ?? (legacy.some((n) => n !== undefined) ? legacy.map((n) => n ?? 0) : []);
  const isDouble = doubles.bytes().length > 0;
  const given = (isDouble ? doubles : floats).bytes();
  const count = given.length / (isDouble ? 8 : 4);
  if (sizes.length > 32 || !sizes.every((n) => Number.isSafeInteger(n) && n >= 0) || sizeOf(sizes) !== count)
    return fail(`${count} numbers, its shape ${formatShape(sizes.slice(0, 8))} takes ${sizeOf(sizes)}`);
  const data: TypedArray | string = readNumbers(isDouble ? 'float64' : 'float32', given);
  return typeof data === 'string' ? fail(data) : { shape: sizes, data };
}
