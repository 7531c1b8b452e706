import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { picture } from './picture'
import type { Pod } from './pod'

/** Photos with their files, as an import brings them. `seed` makes the pictures others than those of another import. */
export async function importPhotos(into: Pod, photos: { title: string; album: string }[], seed = 1): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'rhizome-photos-'))
  const where = join(folder, `export-${seed}`)
  mkdirSync(join(where, 'files'), { recursive: true })
  const lines = photos.map(({ title, album }, at) => {
    writeFileSync(join(where, 'files', `${at}.png`), picture(seed + at, 160, 120))
    return `${seed + at},true,${album},${title},files/${at}.png`
  })
  writeFileSync(join(where, 'photos.csv'), ['id,is-photo,photo-album,photo-title,file', ...lines].join('\n'))
  const column = (attribute: string, type: string) => ({ attribute, type })
  const columns = {
    id: column('photo/number', 'integer'),
    'is-photo': column('is-photo', 'boolean'),
    'photo-album': column('photo-album', 'text'),
    'photo-title': column('photo-title', 'text'),
    file: column('photo-file', 'blob'),
  }
  const mapping = join(folder, 'mapping.json')
  writeFileSync(mapping, JSON.stringify({ mapping: 1, source: 'photos', files: [{ file: 'photos.csv', format: 'csv', type: 'photo', id: ['id'], columns }] }))
  await into.run(['import', where, '--mapping', mapping])
  rmSync(folder, { recursive: true, force: true })
}
