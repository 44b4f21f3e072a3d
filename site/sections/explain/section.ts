/**
 * The third section's life: each explanation starts when it comes near, so that the first frame waits for none.
 */
import { byId } from '../../page/dom.js';
import { startColour } from './colour.js';
import { startCrops } from './crops.js';
import { startDropout } from './dropout.js';
import { startLoss } from './loss.js';
import { startLrn } from './lrn.js';
import { startMean } from './mean.js';
import { startMomentum } from './momentum.js';
import { startShapes } from './shapes.js';
import { VisitorPhoto } from './visitorPhoto.js';

/** Starts the section. */
export function startExplanations(): void {
  const photo = new VisitorPhoto();
  whenNear('lrn', startLrn);
  whenNear('shapes', startShapes);
  whenNear('dropout', startDropout);
  whenNear('momentum', startMomentum);
  whenNear('loss', startLoss);
  whenNear('mean', startMean);
  whenNear('explain-pictures', () => void photo.start());
  whenNear('colour', () => startColour(photo));
  whenNear('crops', () => startCrops(photo));
}

function whenNear(id: string, start: () => void): void {
  const target = byId(id, HTMLElement);
  const observer = new IntersectionObserver(
    (entries) => {
      if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
      observer.disconnect();
      start();
    },
    { rootMargin: '600px' },
  );
  observer.observe(target);
}
