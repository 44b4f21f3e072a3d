/** The page's script for bundlers that look for no workers: theirs is a second entry, named by the option. */
import { run } from './main.js';

const worker = () => new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
run({ worker }).then(
  (text) => {
    document.title = text;
  },
  (error) => {
    document.title = `failed: ${error.message}`;
  },
);
