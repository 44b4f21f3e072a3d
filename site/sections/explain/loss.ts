/**
 * What the objective says, on three scores: probabilities are `exp(s) / sum of exp(s)`, and the loss is `-log p` of the
 * right one.
 */
import { byId, element, setText } from '../../page/dom.js';
import { percent, say } from '../../page/language.js';
import { sliders } from '../../page/sliders.js';

/** Starts the sliders. The first class is the right one. */
export function startLoss(): void {
  const digits = (x: number): string => x.toFixed(1);
  const bars = byId('loss-bars', HTMLElement);
  sliders('loss', { star: digits, ring: digits, cross: digits }, ({ star, ring, cross }) => {
    const scores = [star, ring, cross];
    const total = scores.reduce((sum, s) => sum + Math.exp(s), 0);
    const shares = scores.map((s) => Math.exp(s) / total);
    const names = ['classStar', 'classRing', 'classCross'] as const;
    bars.replaceChildren(
      ...shares.map((share, i) => {
        const name = say(names[i] ?? 'classStar');
        const meter = element('meter', { min: '0', max: '1', value: String(share), 'aria-label': name });
        return element(
          'p',
          { class: 'answer' },
          element('span', {}, name),
          meter,
          element('b', {}, percent(share, 0)),
        );
      }),
    );
    const loss = -Math.log(shares[0] ?? 1);
    setText(byId('loss-result', HTMLElement), say('lossResult', { loss: loss.toFixed(2) }));
  });
}
