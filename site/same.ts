/**
 * `npm run site:same -- 0 2`: trains what the page trains from a seed (0) for some epochs (2), in Node, and prints after
 * each the fingerprint of the weights, which is the page's on the same machine.
 */
import { drawnCounts } from './engine/images.js';
import { fingerprints } from './engine/reproduce.js';

const [seed = 0, epochs = 1] = process.argv.slice(2).map(Number);
if (!Number.isInteger(seed) || !Number.isInteger(epochs) || epochs < 1) {
  console.error('npm run site:same -- SEED EPOCHS: two whole numbers, such as 0 2');
  process.exit(1);
}
await fingerprints(seed, epochs, drawnCounts, (line) => console.log(line));
