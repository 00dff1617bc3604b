import * as z from 'zod';

/** The images that an optimiser step sees, and in how many parts they are computed, one after another. */
export const batchPartsSchema = z.object({
  images: z.number().int().positive(),
  parts: z.number().int().positive(),
});
export type BatchParts = z.infer<typeof batchPartsSchema>;

/** Images of the largest part. */
export function imagesAtATime({ images, parts }: BatchParts): number {
  return Math.ceil(images / parts);
}

/** With half the images at a time; `undefined` where there is one at a time already. */
export function halvedBatch({ images, parts }: BatchParts): BatchParts | undefined {
  return parts >= images ? undefined : { images, parts: Math.min(images, 2 * parts) };
}

/** `2 parts of 32 images`. */
export function describeParts(batch: BatchParts): string {
  const { images, parts } = batch;
  return `${parts} parts of ${images % parts === 0 ? '' : 'at most '}${imagesAtATime(batch)} images`;
}

/** What a batch in parts does to a training, for whoever decides on it. */
export const partsCaveat =
  'The gradients of the parts are added up, so that the optimiser still sees the whole batch. Statistics of a batch (batch normalisation, the adaptive radius) are then those of a part.';
