/** Features of two components of the images of a test split: figure 1. */
export interface PlaneFeatures {
  readonly classNames: readonly string[];
  /** One of each image. */
  readonly labels: readonly number[];
  readonly x: readonly number[];
  readonly y: readonly number[];
}

export interface FeatureSpread {
  /** Standard deviation of ‖x‖ over its mean, over all images: near 0 on a ring. */
  readonly norm: number;
  /** The same within each class, mean over the classes: the length of a petal. */
  readonly normWithin: number;
  /** Circular standard deviation of the direction within a class, mean over the classes, degrees. */
  readonly angleWithin: number;
}

/** How far features lie from a ring of clusters. */
export function featureSpread({ classNames, labels, x, y }: PlaneFeatures): FeatureSpread {
  const norms = x.map((value, i) => Math.hypot(value, y[i]!));
  const within = classNames.flatMap((_, label) => {
    const own = labels.flatMap((of, i) => (of === label ? [i] : []));
    if (own.length < 2) return [];
    const [cosine, sine] = own.reduce(
      ([c, s], i) => {
        const norm = norms[i]!;
        return norm > 0 ? [c + x[i]! / norm, s + y[i]! / norm] : [c, s];
      },
      [0, 0],
    );
    // Mardia's circular standard deviation, from the mean length of the unit directions.
    const length = Math.min(1, Math.hypot(cosine, sine) / own.length);
    return [
      {
        norm: variation(own.map((i) => norms[i]!)),
        angle: (Math.sqrt(-2 * Math.log(Math.max(length, 1e-12))) * 180) / Math.PI,
      },
    ];
  });
  return {
    norm: variation(norms),
    normWithin: mean(within.map(({ norm }) => norm)),
    angleWithin: mean(within.map(({ angle }) => angle)),
  };
}

function variation(values: readonly number[]): number {
  const middle = mean(values);
  return middle === 0 ? 0 : Math.sqrt(mean(values.map((value) => (value - middle) ** 2))) / middle;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
