/**
 * Which kernels sit on which tower and what crosses between them, drawn from the placement table: the paper's Figure 2.
 */
import { formatBytes } from '../../core/text.js';
import { crossings, multiplyAdds, type PlacedLayer } from '../architecture.js';
import type { Plotter } from './plot.js';
import { pairColours } from './plot.js';

/** A layer on a tower, in columns of layers (from 1; the image is 0) and rows of towers (the first on top). */
interface Box {
  readonly x: number;
  readonly y: number;
  readonly tower: number;
  readonly lines: string;
}

/** What goes from one layer to the next. */
interface Link {
  readonly x1: number;
  readonly y1: number;
  readonly x2: number;
  readonly y2: number;
  /** Null within a tower. */
  readonly bytes: number | null;
}

/** Half a box's width and height, in columns and rows. */
const half = { x: 0.4, y: 0.26 };

/** Neurons of a layer: outputs of its kernels, before they are pooled. */
export function neuronsOf({ towers }: PlacedLayer): number {
  return towers.reduce((sum, { kernels, positions: [h, w] }) => sum + kernels * h * w, 0);
}

/** The placement as an SVG file. */
export function plotPlacement({ plots, draw }: Plotter, layers: readonly PlacedLayer[]): string {
  const towers = layers[0]?.towers.length ?? 1;
  const crossing = crossings(layers);
  const boxes = layers.flatMap((layer, i) =>
    layer.towers.flatMap((tower, t): Box[] =>
      tower.kernels === 0 ? [] : [{ x: i + 1, y: -t, tower: t, lines: describe(layer, t) }],
    ),
  );
  const image = { x: 0, y: -(towers - 1) / 2 };
  const links = layers.flatMap((layer, i): Link[] =>
    layer.towers.flatMap((tower, to): Link[] => {
      if (tower.kernels === 0) return [];
      const end = { x2: i + 1 - half.x, y2: -to };
      if (i === 0) return [{ x1: image.x + half.x, y1: image.y, ...end, bytes: null }];
      const before = layers[i - 1]!.towers;
      return before.flatMap(({ kernels }, from): Link[] => {
        if (kernels === 0 || (from !== to && layer.reads === 'own')) return [];
        const row = crossing.find((c) => c.layer === layer.spec.name && c.from === from && c.to === to);
        return [{ x1: i + half.x, y1: -from, ...end, bytes: row ? 4 * row.floats : null }];
      });
    }),
  );
  const across = links.filter(({ bytes }) => bytes !== null);
  const [{ channels = 3, size = 0 } = {}] = layers.map(({ towers: [first] }) => ({
    channels: first?.input[0],
    size: first?.input[1],
  }));
  const macs = multiplyAdds(layers);
  const heads = layers.map((layer, i) => ({
    x: i + 1,
    name: layer.spec.name,
    sizes: `${neuronsOf(layer).toLocaleString('en')} neurons\n${mega(macs.get(layer.spec.name) ?? 0)} mult-adds`,
  }));
  return draw({
    width: 150 * (layers.length + 1),
    height: 130 * towers + 110,
    margin: 4,
    x: { axis: null, domain: [-0.5, layers.length + 0.5] },
    y: { axis: null, domain: [-towers + 0.45, 1.0] },
    color: { domain: [0, 1], range: pairColours },
    marks: [
      plots.arrow(
        links.filter(({ bytes }) => bytes === null),
        { ...ends, stroke: '#9a9a9a', headLength: 6 },
      ),
      plots.arrow(across, { ...ends, stroke: '#c2362b', strokeWidth: 1.6, headLength: 6 }),
      plots.rect([image], { ...sides, fill: '#eeeeee', stroke: '#888888' }),
      plots.text([image], { x: 'x', y: 'y', text: () => `image\n${channels} × ${size} × ${size}` }),
      plots.rect(boxes, { ...sides, fill: 'tower', fillOpacity: 0.15, stroke: 'tower' }),
      plots.text(boxes, { x: 'x', y: 'y', text: 'lines', lineHeight: 1.25 }),
      plots.text(heads, { x: 'x', y: 0.84, text: 'name', fontWeight: 600 }),
      plots.text(heads, { x: 'x', y: 0.64, text: 'sizes', lineHeight: 1.25 }),
      // Beside the crossing, between the rows: what goes down above what goes up.
      plots.text(across, {
        x: 'x2',
        y: ({ y1, y2 }: Link) => (y1 + y2) / 2 + (y1 > y2 ? 0.07 : -0.07),
        text: ({ y1, y2, bytes }: Link) => `${y1 > y2 ? '↓' : '↑'} ${formatBytes(bytes ?? 0)}`,
        textAnchor: 'start',
        fill: '#c2362b',
      }),
    ],
  });
}

const ends = { x1: 'x1', y1: 'y1', x2: 'x2', y2: 'y2' } as const;
const sides = {
  x1: ({ x }: { x: number }) => x - half.x,
  x2: ({ x }: { x: number }) => x + half.x,
  y1: ({ y }: { y: number }) => y - half.y,
  y2: ({ y }: { y: number }) => y + half.y,
};

function mega(n: number): string {
  return n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : `${Math.round(n / 1e3)} k`;
}

/** A box's text: kernels, what each covers, and the maps before and after pooling. */
function describe({ spec, towers }: PlacedLayer, tower: number): string {
  const { kernels, input, positions, output } = towers[tower]!;
  if (!spec.conv) return `${kernels} units\nreading ${(input[0] * input[1] * input[2]).toLocaleString('en')}`;
  const { kernel } = spec.conv;
  const pooled = output[1] === positions[0] ? '' : ` to ${output[1]} × ${output[2]}`;
  return `${kernels} kernels\n${kernel} × ${kernel} × ${input[0]}\n${positions[0]} × ${positions[1]}${pooled}`;
}
