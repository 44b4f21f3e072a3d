/**
 * The page comes to life.
 */
import { startExplanations } from '../sections/explain/section.js';
import { startMachine } from '../sections/machine/section.js';
import { startPhoto } from '../sections/photo/section.js';
import { startSwitches } from '../sections/switches/section.js';
import { startTraining } from '../sections/train/section.js';
import { App } from './app.js';
import { startChoices } from './choices.js';
import { startServiceWorker } from './offline.js';

await startChoices();
const reloading = await startServiceWorker();
if (!reloading) {
  const app = new App();
  app.restore('main');
  const begin = startTraining(app);
  startSwitches(app, begin);
  startExplanations();
  startPhoto(app);
  startMachine(app);
}
