/**
 * Files of a tar archive, gzipped or not: blocks of 512 bytes, a header (name at 0, size in octal at 124, kind at 156,
 * where '0' or nothing is a file), then the content.
 */

const block = 512;

/** The files whose path matches, by path. @throws {Error} when the archive is damaged */
export async function filesOfTar(archive: Blob, pattern: RegExp): Promise<Map<string, Uint8Array>> {
  const gzipped = new Uint8Array(await archive.slice(0, 1).arrayBuffer())[0] === 0x1f;
  const stream = gzipped ? archive.stream().pipeThrough(new DecompressionStream('gzip')) : archive.stream();
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const files = new Map<string, Uint8Array>();
  const text = (from: number, to: number): string =>
    new TextDecoder().decode(bytes.subarray(from, to)).replace(/\0.*$/s, '');
  for (let at = 0; at + block <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, at + 136).trim(), 8);
    if (!Number.isInteger(size)) throw new Error('the archive is damaged');
    const name = text(at, at + 100);
    const start = at + block;
    if (/^[0\0]?$/.test(text(at + 156, at + 157)) && pattern.test(name))
      files.set(name, bytes.subarray(start, start + size));
    at = start + Math.ceil(size / block) * block;
  }
  return files;
}
