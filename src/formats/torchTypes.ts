/**
 * The names that a file of `torch.save` may use, and what each means here: storages, element types, the functions that
 * make tensors and parameters of storages, and the few other things that checkpoints hold. No other name is known.
 */
import { sizeOf } from '../core/shape.js';
import { bytesPerNumber, type NumberType } from './numbers.js';
import { type Pickled, PickledFunction, PickledObject, type PickleTypes } from './pickle.js';

/** Numbers in a file that tensors are views of. */
export class TorchStorage extends PickledObject {
  /** @param type of its numbers; null: bytes, whose type each tensor says */
  constructor(
    readonly key: string,
    readonly type: NumberType | null,
    readonly elements: number,
  ) {
    super();
  }

  /** Bytes it takes. */
  get bytes(): number {
    return this.elements * (this.type === null ? 1 : bytesPerNumber[this.type]);
  }
}

/** A tensor: where its elements lie in a storage. */
export class TorchTensor extends PickledObject {
  constructor(
    readonly storage: TorchStorage,
    readonly type: NumberType,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
    readonly offset: number,
  ) {
    super();
  }
}

/** The class of storages of a type. */
class StorageClass extends PickledFunction {
  constructor(
    name: string,
    readonly type: NumberType | null,
  ) {
    super(name);
  }
}

/** `torch.float32` and its like. */
class ElementType extends PickledFunction {
  constructor(
    name: string,
    readonly type: NumberType,
  ) {
    super(name);
  }
}

const storages: Readonly<Record<string, NumberType>> = {
  Half: 'float16',
  BFloat16: 'bfloat16',
  Float: 'float32',
  Double: 'float64',
  Bool: 'bool',
  Char: 'int8',
  Byte: 'uint8',
  Short: 'int16',
  Int: 'int32',
  Long: 'int64',
};

/** Most axes that a tensor may have; PyTorch allows 64. */
const maxRank = 64;

function isSizes(value: Pickled | undefined): value is number[] {
  return (
    Array.isArray(value) &&
    value.length <= maxRank &&
    value.every((n) => Number.isSafeInteger(n) && Number(n) >= 0)
  );
}

/** A tensor of a storage, or undefined for what makes none. */
function tensorOf(args: readonly Pickled[], type: NumberType | null): TorchTensor | undefined {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof TorchStorage) || !isSizes(shape) || !isSizes(strides)) return undefined;
  const element = storage.type ?? type;
  if (element === null || shape.length !== strides.length || !isSizes([offset ?? null])) return undefined;
  // Bytes that don't make whole numbers are a damaged file.
  if (storage.bytes % bytesPerNumber[element] !== 0 || !Number.isSafeInteger(sizeOf(shape))) return undefined;
  return new TorchTensor(storage, element, shape, strides, Number(offset));
}

/** A parameter is its tensor. */
const parameter = ([data]: readonly Pickled[]): Pickled | undefined =>
  data instanceof TorchTensor ? data : undefined;

/** A dictionary, empty or of pairs. */
function dictionary([pairs = []]: readonly Pickled[]): Pickled | undefined {
  if (!Array.isArray(pairs)) return undefined;
  const map = new Map<Pickled, Pickled>();
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return undefined;
    map.set(pair[0]!, pair[1]!);
  }
  return map;
}

/** A thing that is in files and of no use here. */
const opaque = (): Pickled => new PickledObject();

/** What subclasses of tensors, and tensors with attributes, are made by: (function, class, its arguments, state). */
function fromType([make, , args]: readonly Pickled[]): Pickled | undefined {
  const known = make instanceof PickledFunction && make.name.startsWith('torch._utils._rebuild_');
  return known && Array.isArray(args) ? make.call?.(args) : undefined;
}

const functions: readonly PickledFunction[] = [
  new PickledFunction('collections.OrderedDict', dictionary),
  new PickledFunction('torch._utils._rebuild_tensor', (args) => tensorOf(args, null)),
  new PickledFunction('torch._utils._rebuild_tensor_v2', (args) => tensorOf(args, null)),
  new PickledFunction('torch._utils._rebuild_tensor_v3', (args) =>
    args[6] instanceof ElementType ? tensorOf(args, args[6].type) : undefined,
  ),
  new PickledFunction('torch._utils._rebuild_parameter', parameter),
  new PickledFunction('torch._utils._rebuild_parameter_with_state', parameter),
  new PickledFunction('torch._tensor._rebuild_from_type_v2', fromType),
  new PickledFunction('torch.Tensor'),
  new PickledFunction('torch.nn.parameter.Parameter'),
  new PickledFunction('torch.Size', ([sizes]) => (isSizes(sizes) ? sizes : undefined)),
  new PickledFunction('torch.device', opaque),
  new PickledFunction('_codecs.encode', opaque),
  new PickledFunction('builtins.set', opaque),
  new PickledFunction('__builtin__.set', opaque),
  ...['torch', 'torch.cuda'].flatMap((module) =>
    Object.entries(storages).map(([name, type]) => new StorageClass(`${module}.${name}Storage`, type)),
  ),
  new StorageClass('torch.storage.UntypedStorage', null),
  ...Object.keys(bytesPerNumber)
    .filter((name): name is NumberType => name in bytesPerNumber)
    .map((type) => new ElementType(`torch.${type}`, type)),
];
const byName = new Map(functions.map((known) => [known.name, known]));

/** ('storage', class, key, device, elements), then None in the older form. */
function storageOf(id: Pickled): TorchStorage | undefined {
  if (!Array.isArray(id)) return undefined;
  const [kind, type, key, , elements, view = null] = id;
  if (kind !== 'storage' || !(type instanceof StorageClass) || typeof key !== 'string') return undefined;
  if (view !== null || !isSizes([elements ?? null])) return undefined;
  return new TorchStorage(key, type.type, Number(elements));
}

/** The names and persistent ids of files of `torch.save`. @param storages takes those that are met, by key */
export function torchTypes(storages: Map<string, TorchStorage>): PickleTypes {
  return {
    find: (name) => byName.get(name),
    persistent: (id) => {
      const storage = storageOf(id);
      if (storage) storages.set(storage.key, storage);
      return storage;
    },
  };
}
