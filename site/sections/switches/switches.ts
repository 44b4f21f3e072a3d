/**
 * The paper's sections that can be switched, with what was published and noted of each in 2012.
 *
 * Figures of the notebook are those at the ends of the layer files of the original code (Computer History Museum,
 * "AlexNet source code", layers/*.cfg, commit 2f8b81f): nets 145-2010 and 145-half on images of 2010, nets 145 and 150
 * on images of 2012, all with ten crops.
 */
import type { Switches } from '../../engine/settings.js';
import type { TextName } from '../../page/language.js';

/** A switch. */
export interface Switch {
  readonly name: 'activation' | 'normalization' | 'overlapping' | 'dropout' | 'one' | 'apart';
  /** What differs from the paper's net. */
  readonly change: Partial<Switches>;
  readonly title: TextName;
  readonly about: TextName;
  readonly paper: TextName;
  /** Top-1 and top-5 errors with and without, where the notebook has both. */
  readonly notebook: {
    readonly nets: string;
    readonly kept: readonly [number, number];
    readonly changed: readonly [number, number];
  } | null;
}

/** All switches, in the paper's order. */
export const switches: readonly Switch[] = [
  {
    name: 'activation',
    change: { activation: 'tanh' },
    title: 'switchTanh',
    about: 'switchTanhAbout',
    paper: 'switchTanhPaper',
    notebook: null,
  },
  {
    name: 'one',
    change: { towers: 'one' },
    title: 'switchOne',
    about: 'switchOneAbout',
    paper: 'switchOnePaper',
    notebook: {
      nets: '145-2010, 145-half',
      kept: [0.374727, 0.169987],
      changed: [0.39168, 0.182287],
    },
  },
  {
    name: 'apart',
    change: { towers: 'apart' },
    title: 'switchApart',
    about: 'switchApartAbout',
    paper: 'switchApartPaper',
    notebook: { nets: '145, 150', kept: [0.40664, 0.1821], changed: [0.41828, 0.1933] },
  },
  {
    name: 'normalization',
    change: { normalization: false },
    title: 'switchLrn',
    about: 'switchLrnAbout',
    paper: 'switchLrnPaper',
    notebook: null,
  },
  {
    name: 'overlapping',
    change: { overlapping: false },
    title: 'switchOverlap',
    about: 'switchOverlapAbout',
    paper: 'switchOverlapPaper',
    notebook: null,
  },
  {
    name: 'dropout',
    change: { dropout: false },
    title: 'switchDropout',
    about: 'switchDropoutAbout',
    paper: 'switchDropoutPaper',
    notebook: null,
  },
];
