/** The names of the layers: the config's own, else type and number (`conv1`, `max-pool2`). */
export function layerNames(
  layers: readonly { readonly type: string; readonly name?: string | undefined }[],
): string[] {
  const seen = new Map<string, number>();
  return layers.map(({ type, name }) => {
    const number = (seen.get(type) ?? 0) + 1;
    seen.set(type, number);
    return name ?? `${type}${number}`;
  });
}
