import { crc32, deflateSync } from 'node:zlib'

/** Draws a PNG: a sky, a hill and a sun, placed by `seed`. No picture of anybody's is needed for the tests. */
export function picture(seed: number, width: number, height: number): Buffer {
  const random = generator(seed)
  const hue = random()
  const sunX = width * (0.2 + 0.6 * random())
  const sunY = height * (0.15 + 0.3 * random())
  const radius = Math.min(width, height) * (0.08 + 0.08 * random())
  const bend = 2 + 3 * random()
  const rows = Buffer.alloc(height * (1 + width * 3))
  for (let y = 0; y < height; y++) {
    const row = y * (1 + width * 3)
    for (let x = 0; x < width; x++) {
      const hill = height * (0.66 + 0.12 * Math.sin((x / width) * bend + hue * 6))
      const sun = Math.hypot(x - sunX, y - sunY) < radius
      const colour = sun ? hsl(hue + 0.12, 0.9, 0.75) : y > hill ? hsl(hue + 0.3, 0.35, 0.28 + 0.2 * (y / height)) : hsl(hue + 0.55, 0.5, 0.82 - 0.35 * (y / height))
      rows.set(colour, row + 1 + x * 3)
    }
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, 2, 0, 0, 0], 8)
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const out = Buffer.alloc(body.length + 8)
  out.writeUInt32BE(data.length, 0)
  body.copy(out, 4)
  out.writeUInt32BE(crc32(body), body.length + 4)
  return out
}

function hsl(hue: number, saturation: number, lightness: number): [number, number, number] {
  const part = (n: number) => {
    const k = (n + (hue % 1) * 12) % 12
    return Math.round(255 * (lightness - saturation * Math.min(lightness, 1 - lightness) * Math.max(-1, Math.min(k - 3, 9 - k, 1))))
  }
  return [part(0), part(8), part(4)]
}

/** Numbers in [0, 1) that are the same on every run. */
export function generator(seed: number): () => number {
  let state = seed >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
