import { type DragEvent, type FormEvent, useRef, useState } from 'react'
import { Icon } from '../../parts/icon'

/** A file to drop or choose, or a path on the machine where the pod runs (also a folder). */
export function Choose({ onFile, onPath }: { onFile: (file: File) => void; onPath: (path: string) => void }) {
  const [over, setOver] = useState(false)
  const [problem, setProblem] = useState<string | null>(null)
  const [path, setPath] = useState('')
  const input = useRef<HTMLInputElement>(null)

  const drop = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    const items = [...event.dataTransfer.items]
    const isFolder = items.some((item) => item.webkitGetAsEntry()?.isDirectory)
    const files = [...event.dataTransfer.files]
    const [file] = files
    if (isFolder) setProblem('That is a folder. Enter its path below, or drop the zip file it came from.')
    else if (files.length > 1) setProblem('One file at a time, please.')
    else if (file) onFile(file)
  }

  return (
    <div className="choose">
      <div
        className={over ? 'drop over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <Icon name="import" size={36} />
        <p className="drop-title">Drop an export here</p>
        <p className="quiet">As the platform gave it to you: an archive, an address book, a calendar, a mailbox, notes, a table. What it is is seen from what is in it.</p>
        <button type="button" className="button primary" onClick={() => input.current?.click()}>
          Choose a file
        </button>
        <input
          ref={input}
          type="file"
          className="visually-hidden"
          tabIndex={-1}
          aria-label="Export file"
          onChange={(event) => {
            const file = event.target.files?.[0]
            event.target.value = ''
            if (file) onFile(file)
          }}
        />
        {problem && (
          <p className="field-error" role="alert">
            {problem}
          </p>
        )}
      </div>
      <form
        className="path"
        onSubmit={(event: FormEvent) => {
          event.preventDefault()
          if (path.trim()) onPath(path.trim())
        }}
      >
        <label htmlFor="import-path">
          <Icon name="folder" /> Or a file or folder on the machine where the pod runs
        </label>
        <div className="path-row">
          <input
            id="import-path"
            value={path}
            placeholder="~/Downloads/archive"
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setPath(event.target.value)}
          />
          <button type="submit" className="button" disabled={path.trim() === ''}>
            Look at it
          </button>
        </div>
      </form>
    </div>
  )
}
