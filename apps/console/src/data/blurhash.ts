/** Decodes a BlurHash (woltapp/blurhash, Algorithm.md) to RGBA pixels. Answers `null` for anything malformed. */

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~'

export function decodeBlurhash(hash: string, width: number, height: number): Uint8ClampedArray<ArrayBuffer> | null {
  const sizeFlag = base83(hash, 0, 1)
  if (sizeFlag === null) return null
  const across = (sizeFlag % 9) + 1
  const down = Math.floor(sizeFlag / 9) + 1
  if (down > 9 || hash.length !== 4 + 2 * across * down) return null
  const quantised = base83(hash, 1, 2)
  const average = base83(hash, 2, 6)
  if (quantised === null || average === null) return null
  const scale = (quantised + 1) / 166

  const factors: [number, number, number][] = [[toLinear(average >> 16), toLinear((average >> 8) & 255), toLinear(average & 255)]]
  for (let at = 6; at < hash.length; at += 2) {
    const value = base83(hash, at, at + 2)
    if (value === null) return null
    factors.push([
      signedSquare((Math.floor(value / 361) - 9) / 9) * scale,
      signedSquare(((Math.floor(value / 19) % 19) - 9) / 9) * scale,
      signedSquare(((value % 19) - 9) / 9) * scale,
    ])
  }

  const pixels = new Uint8ClampedArray(width * height * 4)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let red = 0
      let green = 0
      let blue = 0
      for (const [index, [r, g, b]] of factors.entries()) {
        const basis =
          Math.cos((Math.PI * x * (index % across)) / width) * Math.cos((Math.PI * y * Math.floor(index / across)) / height)
        red += r * basis
        green += g * basis
        blue += b * basis
      }
      pixels.set([toSrgb(red), toSrgb(green), toSrgb(blue), 255], 4 * (y * width + x))
    }
  }
  return pixels
}

function base83(text: string, from: number, to: number): number | null {
  let value = 0
  for (let at = from; at < to; at++) {
    const letter = text.charAt(at)
    const digit = letter === '' ? -1 : DIGITS.indexOf(letter)
    if (digit < 0) return null
    value = value * 83 + digit
  }
  return value
}

function signedSquare(value: number): number {
  return Math.sign(value) * value * value
}

function toLinear(value: number): number {
  const v = value / 255
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
}

function toSrgb(value: number): number {
  const v = Math.max(0, Math.min(1, value))
  return Math.round((v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055) * 255)
}
