/** Files as `torch.save` writes them, put together opcode by opcode. */
import { contiguousStrides, sizeOf } from '../../src/core/shape.js';
import type { StateDict } from '../../src/core/state.js';
import { joined } from './damage.js';
import { type ZipOptions, zipOf } from './zipWriter.js';

const u32 = (value: number): string =>
  String.fromCharCode(...[0, 8, 16, 24].map((bit) => (value >>> bit) & 255));

/** Opcodes of values. */
export const op = {
  text: (value: string): string => `X${u32(value.length)}${value}`,
  whole: (value: number): string => `J${u32(value)}`,
  tuple: (...items: readonly string[]): string => `(${items.join('')}t`,
  list: (...items: readonly string[]): string => `](${items.join('')}e`,
  dict: (entries: Readonly<Record<string, string>>): string =>
    `}(${Object.entries(entries)
      .map(([key, value]) => op.text(key) + value)
      .join('')}u`,
  name: (module: string, name: string): string => `c${module}\n${name}\n`,
  call: (made: string, ...args: readonly string[]): string => `${made}${op.tuple(...args)}R`,
  ordered: 'ccollections\nOrderedDict\n)R',
  /** @param more what follows the number of elements: None in the older form */
  storage: (type: string, key: string, elements: number, more = ''): string =>
    `${op.tuple(op.text('storage'), op.name('torch', type), op.text(key), op.text('cpu'), op.whole(elements), more)}Q`,
  tensor: (storage: string, offset: number, shape: readonly number[], strides: readonly number[]): string =>
    op.call(
      op.name('torch._utils', '_rebuild_tensor_v2'),
      ...[storage, op.whole(offset), op.tuple(...shape.map(op.whole)), op.tuple(...strides.map(op.whole))],
      ...['\x89', op.ordered],
    ),
};

/** A whole pickle. */
export const pickleOf = (value: string): string => `\x80\x02${value}.`;

/** A file in the present form. @param storages bytes by key */
export function torchFile(
  value: string,
  storages: Readonly<Record<string, ArrayBufferView>> = {},
  options: ZipOptions = {},
): Uint8Array {
  const data = Object.entries(storages).map(([key, { buffer, byteOffset, byteLength }]) => ({
    name: `net/data/${key}`,
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
  }));
  return zipOf(
    [
      { name: 'net/data.pkl', bytes: joined(pickleOf(value)) },
      { name: 'net/byteorder', bytes: joined('little') },
      ...data,
      { name: 'net/version', bytes: joined('3\n') },
    ],
    options,
  );
}

/** A state dict as `torch.save` writes it. @param under the key that it stands under, if any */
export function stateDictFile(state: StateDict, under?: string): Uint8Array {
  const tensors = [...state].map(([name, { shape }], key): [string, string] => {
    const storage = op.storage('FloatStorage', `${key}`, sizeOf(shape));
    return [name, op.tensor(storage, 0, shape, contiguousStrides(shape))];
  });
  const dict = op.dict(Object.fromEntries(tensors));
  const storages = [...state.values()].map(({ data }, key): [string, ArrayBufferView] => [`${key}`, data]);
  return torchFile(under === undefined ? dict : op.dict({ [under]: dict }), Object.fromEntries(storages));
}

/** A file in the form before zip archives. @param storages elements by key */
export function legacyFile(value: string, storages: Readonly<Record<string, Float32Array>>): Uint8Array {
  const pieces = [
    pickleOf('\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19'),
    pickleOf('M\xe9\x03'),
    pickleOf(op.dict({ little_endian: '\x88' })),
    pickleOf(value),
    pickleOf(op.list(...Object.keys(storages).map(op.text))),
  ];
  const data = Object.values(storages).flatMap((numbers) => [
    u32(numbers.length) + u32(0),
    new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength),
  ]);
  return joined(...pieces, ...data);
}
