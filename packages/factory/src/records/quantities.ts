// In: words such as `12GB` or `2h`. Out: bytes or seconds, and bytes in words. Decimal units, as disks and card makers use them; GiB and MiB
// where they are written.

const UNITS: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** Bytes of `12GB`, `12 GB`, `7.5g`, `800MB`, `8GiB`; null for anything else. */
export function parseBytes(text: string): number | null {
  const found = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)\s*$/i.exec(text);
  const unit = found && UNITS[found[2].toLowerCase()];
  if (!found || !unit) return null;
  const bytes = Number(found[1]) * unit;
  return bytes > 0 && Number.isFinite(bytes) ? bytes : null;
}

/** As `3.44 GB`. */
export function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

/** Seconds of `2h`, `90m`, `45 min`, `1h30m`, `30s`; null for anything else. */
export function parseDuration(text: string): number | null {
  const pattern = /(\d+(?:\.\d+)?)\s*(d|h|min|m|s)\s*/gy;
  const seconds: Readonly<Record<string, number>> = { d: 86_400, h: 3600, min: 60, m: 60, s: 1 };
  const trimmed = text.trim();
  let total = 0;
  let at = 0;
  for (let part = pattern.exec(trimmed); part; part = pattern.exec(trimmed)) {
    total += Number(part[1]) * seconds[part[2]];
    at = pattern.lastIndex;
  }
  return at === trimmed.length && total > 0 ? total : null;
}
