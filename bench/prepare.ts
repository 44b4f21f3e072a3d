/**
 * What `tandem prepare` costs with each decoder that is installed: processor time of all threads, start included, in turns.
 *
 *     node dist/bench/prepare.js FOLDER-OR-ARCHIVE [rounds, default 5]
 */
import { measurePreparing } from './preparing.js';
import { quantile } from './stats.js';

const [data, rounds = '5'] = process.argv.slice(2);
if (data === undefined) throw new Error('give the folder or archive of the images to prepare');
const results = await measurePreparing(data, Number(rounds));
console.log(`Node ${process.versions.node}; least and median of ${rounds} runs, in turns\n`);
console.log(
  ['decoder', 'images', 'CPU s', 'median', 'images/s a core'].map((head) => head.padStart(16)).join(''),
);
for (const { decoder, images, seconds } of results) {
  const [least, middle] = [quantile(seconds, 0), quantile(seconds, 0.5)];
  const cells = [decoder, String(images), least.toFixed(2), middle.toFixed(2), (images / least).toFixed(1)];
  console.log(cells.map((cell) => cell.padStart(16)).join(''));
}
