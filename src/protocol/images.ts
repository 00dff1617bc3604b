import * as z from 'zod';

/** One image of a data set, as panels show it. */
export const dataImageSchema = z.object({
  /** Position in its split. */
  index: z.number().int().nonnegative(),
  /** Its class. */
  label: z.number().int().nonnegative(),
  /** [height, width, channels]; 1 channel is grey, 3 are red, green and blue. */
  shape: z.tuple([z.number().int(), z.number().int(), z.number().int()]),
  /** Bytes [H, W, C], row-major, base64. */
  pixels: z.string(),
});
export type DataImage = z.infer<typeof dataImageSchema>;
