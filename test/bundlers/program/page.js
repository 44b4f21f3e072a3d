/** The page's script where the bundler finds the worker by itself. */
import { run } from './main.js';

run().then(
  (text) => {
    document.title = text;
  },
  (error) => {
    document.title = `failed: ${error.message}`;
  },
);
