import { useSyncExternalStore } from 'react'

/** A short message at the edge of the page, with at most one thing to do about it. */
export interface Toast {
  id: number
  text: string
  action: { label: string; run: () => void } | null
}

const SHOWN_MS = 10_000
const MOST = 3

let toasts: readonly Toast[] = []
let next = 1
const listeners = new Set<() => void>()
const timers = new Map<number, ReturnType<typeof setTimeout>>()

function set(changed: readonly Toast[]): void {
  toasts = changed
  for (const listener of listeners) listener()
}

export function toast(text: string, action: Toast['action'] = null): number {
  const id = next++
  set([...toasts, { id, text, action }].slice(-MOST))
  linger(id)
  return id
}

export function dismiss(id: number): void {
  clearTimeout(timers.get(id))
  timers.delete(id)
  set(toasts.filter((each) => each.id !== id))
}

/** It stays as long as the pointer or the keyboard is on it. */
export function hold(id: number): void {
  clearTimeout(timers.get(id))
}

export function linger(id: number): void {
  clearTimeout(timers.get(id))
  timers.set(
    id,
    setTimeout(() => dismiss(id), SHOWN_MS),
  )
}

export function newestAction(): (() => void) | null {
  return [...toasts].reverse().find((each) => each.action)?.action?.run ?? null
}

export function useToasts(): readonly Toast[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    () => toasts,
  )
}
