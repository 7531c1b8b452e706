import { api } from '../api/http'
import type { EntityId, UndoneCommit } from '../api/types'
import { dismiss, toast } from './toasts'

/** What became of taking a commit back, in words. */
export function undoneWords(undone: UndoneCommit): string {
  const kept = undone.kept.length
  const since = `${kept === 1 ? '1 value was' : `${kept.toLocaleString('en')} values were`} changed since and ${kept === 1 ? 'stays' : 'stay'}`
  if (undone.commit === null) return kept > 0 ? `Nothing was undone: ${since}.` : 'It is as it was before already.'
  return kept > 0 ? `Undone, but ${since}.` : 'Undone.'
}

/** Takes back what a commit said, or what it said of one entity, and says so, with a way to have it again. `again`: the commit took something back itself. */
export async function undo(commit: string, entity?: EntityId, again = false): Promise<void> {
  try {
    const undone = await api.undoCommit(commit, entity)
    const whole = undone.commit !== null && undone.kept.length === 0
    offer(undone.commit, again && whole ? 'Done again.' : undoneWords(undone), again ? 'Undo' : 'Redo')
  } catch (cause) {
    toast(cause instanceof Error ? cause.message : String(cause))
  }
}

/** Says that something was written, with a way back. Nothing is said of what changed nothing. */
export function offerUndo(commit: string | null, text: string): void {
  if (commit !== null) offer(commit, text, 'Undo')
}

function offer(commit: string | null, text: string, label: 'Undo' | 'Redo'): void {
  if (commit === null) {
    toast(text)
    return
  }
  const id = toast(text, {
    label,
    run: () => {
      dismiss(id)
      void undo(commit, undefined, label === 'Redo')
    },
  })
}
