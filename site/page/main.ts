/**
 * The page comes to life.
 */
import { startTraining } from '../sections/train/section.js';
import { App } from './app.js';
import { startChoices } from './choices.js';
import { startServiceWorker } from './offline.js';

await startChoices();
const reloading = await startServiceWorker();
if (!reloading) {
  const app = new App();
  startTraining(app);
  app.restore('main');
}
