/** Protocol-buffer messages written byte by byte, apart from the library that the readers use. */

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];

const bytesField = (number: number, bytes: Iterable<number>): number[] => {
  const list = [...bytes];
  return [...varint(number * 8 + 2), ...varint(list.length), ...list];
};

const little = (value: number, size: 4 | 8): number[] => {
  const view = new DataView(new ArrayBuffer(size));
  if (size === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return [...new Uint8Array(view.buffer)];
};

/** Fields of a message by kind; a message is a list of them. */
export const field = {
  int: (number: number, value: number): number[] => [...varint(number * 8), ...varint(value)],
  text: (number: number, value: string): number[] => bytesField(number, new TextEncoder().encode(value)),
  message: (number: number, ...fields: readonly number[][]): number[] => bytesField(number, fields.flat()),
  packedInts: (number: number, values: readonly number[]): number[] =>
    bytesField(number, values.flatMap(varint)),
  packedFloats: (number: number, values: readonly number[]): number[] =>
    bytesField(
      number,
      values.flatMap((value) => little(value, 4)),
    ),
  packedDoubles: (number: number, values: readonly number[]): number[] =>
    bytesField(
      number,
      values.flatMap((value) => little(value, 8)),
    ),
  /** One number for each, as writers do that don't pack. */
  floats: (number: number, values: readonly number[]): number[] =>
    values.flatMap((value) => [...varint(number * 8 + 5), ...little(value, 4)]),
  doubles: (number: number, values: readonly number[]): number[] =>
    values.flatMap((value) => [...varint(number * 8 + 1), ...little(value, 8)]),
};

/** The bytes of a message. */
export function message(...fields: readonly number[][]): Uint8Array {
  return Uint8Array.from(fields.flat());
}
