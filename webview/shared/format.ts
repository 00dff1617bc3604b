const three = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3, useGrouping: true });
const aligned = new Intl.NumberFormat('en-US', {
  minimumSignificantDigits: 3,
  maximumSignificantDigits: 3,
  useGrouping: true,
});
const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

function withMinus(text: string): string {
  return text.replace(/-/g, '−');
}

/** Three significant digits: `3.42`, `0.000512`, `1.2e−7`, `12,300`. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) {
    return withMinus(
      value
        .toExponential(2)
        .replace('e+', 'e')
        .replace(/\.?0+e/, 'e'),
    );
  }
  return withMinus(three.format(value));
}

/** As `short`, with trailing zeros, so that the numbers of a column line up: `1.10`. */
export function inColumn(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value) || size === 0 || size < 1e-4 || size >= 1e7) return short(value);
  return withMinus(aligned.format(value));
}

/** Seven significant digits, as many as float32 has: for tooltips. */
export function precise(value: number): string {
  return withMinus(String(Number(value.toPrecision(7))));
}

/** A whole number with separators: `1,234`. */
export function count(value: number): string {
  return grouped.format(value);
}

/** A share of 0 to 1 as per cent with one decimal; never rounded to 0 or 100 where it is neither. */
export function percent(share: number): string {
  if (share > 0 && share < 0.0005) return '<0.1 %';
  if (share < 1 && share >= 0.9995) return '>99.9 %';
  const text = (share * 100).toFixed(1);
  return `${text.endsWith('.0') && (share === 0 || share === 1) ? text.slice(0, -2) : text} %`;
}

/** `1 h 4 min`, `2 min 10 s`, `8 s`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The last part of a path of any operating system. */
export function baseName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}

/** Checkpoint without folder and extension: `epoch-0010`. */
export function checkpointName(checkpoint: string): string {
  return baseName(checkpoint).replace(/\.dcnet\.safetensors$/, '');
}

/** `conv2d (1)` → `conv2d-1`: a name that every file system takes. */
export function fileSafe(name: string): string {
  return name.replace(/[^\p{L}\p{N}.-]+/gu, '-').replace(/^-+|-+$/g, '') || 'chart';
}
