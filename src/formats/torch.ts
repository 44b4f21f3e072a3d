/**
 * What `torch.save` writes: pickled dictionaries and lists with tensors in them, and the tensors' storages.
 *
 * From PyTorch 1.6 on a zip archive with one folder: `data.pkl`, the pickle; `data/KEY`, the bytes of each storage;
 * `byteorder` (absent in older files: little). Before, and by `_use_new_zipfile_serialization=False`, five pickles one
 * after the other, then the storages:
 *
 *     the number 0x1950a86a20f9469cfc6c, the protocol 1001, {'little_endian': True, ..}, the value, [KEY, ..]
 *     for each KEY: a u64 number of elements, then their bytes
 *
 * A storage stands in the pickle as the persistent id ('storage', torch.FloatStorage, KEY, device, elements), followed by
 * None in the older form. A tensor is the call torch._utils._rebuild_tensor_v2(storage, offset, sizes, strides, ..):
 * element `[i, j, ..]` is at `offset + i strides[0] + j strides[1] + ..` of its storage. Names: torchTypes.ts.
 */
import { DataError } from '../core/errors.js';
import {
  contiguousStrides,
  dtypeOf,
  formatShape,
  makeArray,
  sizeOf,
  type TypedArray,
} from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { readNumbers } from './numbers.js';
import { type Pickled, unpickle } from './pickle.js';
import { printable } from './printable.js';
import { type TorchStorage, TorchTensor, torchTypes } from './torchTypes.js';
import { isZip, readZip, storedBytes } from './zip.js';

/** What is read of a file. */
export interface TorchOptions {
  /** Path of the part that is read: "state_dict"; names begin below it. Default: all there is, from the top. */
  readonly under?: string;
}

/** Deepest nesting that is searched for tensors. */
const maxDepth = 100;

/**
 * Reads a file's bytes. Nothing in it is run: a file that names a function or class beyond those that tensors are made
 * of is refused by that name. Tensors of one storage share memory where their elements follow each other, as tied
 * weights do; all others are copies. Numbers of types that tensors don't have are widened (numbers.ts).
 * @param file its name, for messages
 * @returns the tensors by their path: `state_dict.conv.weight`, `layers.0.bias`; a tensor on its own is `tensor`
 * @throws {DataError} for anything but a whole file of tensors; no tensors, or none under that path
 */
export function decodeTorch(bytes: Uint8Array, file: string, { under }: TorchOptions = {}): StateDict {
  const { value, size, storage } = isZip(bytes) ? openZip(bytes, file) : openLegacy(bytes, file);
  const found = findTensors(value, size, file);
  const prefix = under === undefined ? '' : `${under}.`;
  const chosen = [...found].filter(([path]) => path.startsWith(prefix));
  if (chosen.length === 0) {
    const tops = new Set([...found.keys()].map((path) => printable(path.split('.')[0] ?? '', 40)));
    const where = under === undefined ? '' : ` under ${printable(under, 80)}`;
    const known = tops.size > 0 ? `; it has some under ${[...tops].slice(0, 8).join(', ')}` : '';
    throw new DataError(`${file}: no tensors${where}${known}`);
  }
  const numbers = new Map<string, TypedArray>();
  // Views that repeat elements could ask for any amount of memory.
  const budget = { bytes: 4 * bytes.length + 2 ** 20 };
  return new Map(
    chosen.map(([path, tensor]) => {
      const fail = (problem: string): never => {
        throw new DataError(`${file}: ${printable(path, 80)}: ${problem}`);
      };
      const { key } = tensor.storage;
      const id = `${tensor.type} ${key}`;
      let data = numbers.get(id);
      if (data === undefined) {
        const read = readNumbers(tensor.type, storage(tensor.storage));
        data = typeof read === 'string' ? fail(read) : read;
        numbers.set(id, data);
      }
      return [path.slice(prefix.length), takeView(tensor, data, budget, fail)];
    }),
  );
}

/** A file's value, and how to get at its storages. */
interface Opened {
  readonly value: Pickled;
  /** Bytes of its pickle. */
  readonly size: number;
  /** A storage's bytes. @throws {DataError} when they aren't there, or not as many as it claims */
  readonly storage: (storage: TorchStorage) => Uint8Array;
}

function openZip(bytes: Uint8Array, file: string): Opened {
  const entries = readZip(bytes, file);
  const pickles = [...entries.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  const [pickle] = pickles;
  if (pickle === undefined || pickles.length > 1) {
    throw new DataError(
      `${file}: a zip archive with ${pickles.length} files */data.pkl, torch.save writes one; is it a PyTorch file?`,
    );
  }
  const folder = pickle.slice(0, -'data.pkl'.length);
  const contents = (name: string): Uint8Array => {
    const entry = entries.get(folder + name);
    if (!entry) throw new DataError(`${file}: ${printable(folder + name, 80)} is missing`);
    return storedBytes(entry, file);
  };
  if (entries.has(`${folder}byteorder`)) {
    const order = new TextDecoder().decode(contents('byteorder').subarray(0, 20));
    if (order !== 'little')
      throw new DataError(`${file}: its byte order is ${printable(order)}, expected little`);
  }
  const { value, end } = unpickle(contents('data.pkl'), 0, file, torchTypes(new Map()));
  return {
    value,
    size: end,
    storage: (storage) => {
      const found = contents(`data/${storage.key}`);
      if (found.length === storage.bytes) return found;
      throw new DataError(
        `${file}: storage ${printable(storage.key, 40)} has ${found.length} bytes, ${storage.bytes} are expected`,
      );
    },
  };
}

const legacyMagic = 0x1950a86a20f9469cfc6cn;
const legacyProtocol = 1001;

function openLegacy(bytes: Uint8Array, file: string): Opened {
  const none = `${file}: not a file of torch.save: it begins neither as a zip archive nor as the older form does`;
  if (bytes[0] !== 0x80) throw new DataError(none);
  const storages = new Map<string, TorchStorage>();
  const types = torchTypes(storages);
  let at = 0;
  const next = (): Pickled => {
    const { value, end } = unpickle(bytes, at, file, types);
    at = end;
    return value;
  };
  if (next() !== legacyMagic) throw new DataError(none);
  const protocol = next();
  if (protocol !== legacyProtocol) throw new DataError(`${file}: its protocol isn't ${legacyProtocol}`);
  const system = next();
  if (!(system instanceof Map) || system.get('little_endian') !== true)
    throw new DataError(`${file}: its byte order isn't little-endian`);
  const value = next();
  const keys = next();
  if (!Array.isArray(keys)) throw new DataError(`${file}: it has no list of storages`);
  const size = at;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const places = new Map<string, Uint8Array>();
  for (const key of keys) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (!storage || places.has(storage.key))
      throw new DataError(`${file}: its list of storages isn't that of its tensors`);
    const start = at + 8;
    at = start + storage.bytes;
    if (at > bytes.length || view.getBigUint64(start - 8, true) !== BigInt(storage.elements)) {
      throw new DataError(
        `${file}: storage ${printable(storage.key, 40)} hasn't its ${storage.elements} elements: was the file cut short?`,
      );
    }
    places.set(storage.key, bytes.subarray(start, at));
  }
  if (at !== bytes.length) throw new DataError(`${file}: ${bytes.length - at} bytes too many at its end`);
  return {
    value,
    size,
    storage: (storage) => {
      const found = places.get(storage.key);
      if (found?.length === storage.bytes) return found;
      throw new DataError(`${file}: storage ${printable(storage.key, 40)} is missing`);
    },
  };
}

/**
 * All tensors of a value by their path.
 * @param size bytes of its pickle: what shares its parts, or holds itself, could be searched without end
 */
function findTensors(root: Pickled, size: number, file: string): ReadonlyMap<string, TorchTensor> {
  const found = new Map<string, TorchTensor>();
  let left = 4 * size;
  const visit = (value: Pickled, path: string, depth: number): void => {
    if (depth > maxDepth || left-- <= 0)
      throw new DataError(`${file}: its dictionaries and lists hold themselves, or each other too often`);
    if (value instanceof TorchTensor) {
      const name = path === '' ? 'tensor' : path;
      if (found.has(name)) throw new DataError(`${file}: two tensors have the path ${printable(name, 80)}`);
      found.set(name, value);
    } else if (value instanceof Map || Array.isArray(value)) {
      for (const [key, item] of value.entries()) {
        const before = found.size;
        const named = typeof key === 'string' || typeof key === 'number';
        visit(item, path === '' ? `${named ? key : '?'}` : `${path}.${named ? key : '?'}`, depth + 1);
        if (!named && found.size > before)
          throw new DataError(
            `${file}: ${printable(path, 80)} holds tensors by keys that are no text or number`,
          );
      }
    }
  };
  visit(root, '', 0);
  return found;
}

/** A tensor's elements in row-major order: a part of its storage's where they lie so. */
function takeView(
  { shape, strides, offset }: TorchTensor,
  storage: TypedArray,
  budget: { bytes: number },
  fail: (problem: string) => never,
): HostTensor {
  const size = sizeOf(shape);
  const last = offset + shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, 0);
  if (size > 0 && !(last < storage.length)) {
    fail(`${formatShape(shape)} reaches to element ${last} of a storage of ${storage.length}`);
  }
  const dense = contiguousStrides(shape);
  if (size === 0 || shape.every((n, axis) => n === 1 || strides[axis] === dense[axis]))
    return { shape, data: size === 0 ? storage.subarray(0, 0) : storage.subarray(offset, last + 1) };
  budget.bytes -= size * storage.BYTES_PER_ELEMENT;
  if (!(budget.bytes >= 0))
    fail(`${formatShape(shape)} repeats the elements of a small storage too often; save a clone of it`);
  const data = makeArray(dtypeOf(storage), size);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < size; i++) {
    data[i] = storage[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      index[axis]!++;
      if (index[axis]! < shape[axis]!) break;
      at -= shape[axis]! * strides[axis]!;
      index[axis] = 0;
    }
  }
  return { shape, data };
}
