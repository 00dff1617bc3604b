/** Squared distances of unit filters are taken as no less, so that equal filters have a finite energy. */
const leastSquaredDistance = 1e-6;

const degreesPerRadian = 180 / Math.PI;

/**
 * Angle of each filter to the nearest other one, in degrees.
 * @param cosines between filters, [F, F] row-major
 * @returns [F]; empty for fewer than two filters
 */
export function nearestAngles(cosines: ArrayLike<number>, filters: number): number[] {
  if (filters < 2) return [];
  return Array.from({ length: filters }, (_, i) => {
    let nearest = -1;
    for (let j = 0; j < filters; j++) if (j !== i) nearest = Math.max(nearest, cosines[i * filters + j]!);
    return Math.acos(Math.min(1, nearest)) * degreesPerRadian;
  });
}

/**
 * Hyperspherical energy E₂ of the filters (Liu et al., Learning towards Minimum Hyperspherical Energy, 2018, equation 1
 * with s = 2) on the whole sphere: the mean of ‖ŵᵢ − ŵⱼ‖⁻² over the pairs i < j. Filters at right angles have 0.5; the
 * more they crowd, the more. Squared distances count as at least 1e-6.
 * @param cosines between filters, [F, F] row-major
 * @returns undefined for fewer than two filters
 */
export function hypersphericalEnergy(cosines: ArrayLike<number>, filters: number): number | undefined {
  if (filters < 2) return undefined;
  let sum = 0;
  for (let i = 0; i < filters; i++)
    for (let j = 0; j < i; j++) sum += 1 / Math.max(leastSquaredDistance, 2 - 2 * cosines[i * filters + j]!);
  return sum / ((filters * (filters - 1)) / 2);
}
