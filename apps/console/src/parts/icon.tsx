/** Line icons on a 24-unit grid, drawn for this console. Decorative: the text beside an icon, or its button's label, names it. */

const PATHS = {
  timeline: 'M5 5v14M5 7h0M9.500 7H19M9.500 12H19M9.500 17h6M5 12h0M5 17h0',
  query: 'M8 7l-4 5 4 5M16 7l4 5-4 5M13.500 5l-3 14',
  data: 'M12 4c4.400 0 7 1.300 7 2.800S16.400 9.600 12 9.600 5 8.300 5 6.800 7.600 4 12 4zM5 6.800v10.400C5 18.700 7.600 20 12 20s7-1.300 7-2.800V6.800M5 12c0 1.500 2.600 2.800 7 2.800s7-1.300 7-2.800',
  import: 'M12 4v10.500M8 11l4 4 4-4M4.500 17v1.500A1.500 1.500 0 006 20h12a1.500 1.500 0 001.500-1.500V17',
  public: 'M12 4a8 8 0 100 16 8 8 0 000-16zM4.500 10h15M4.500 14h15M12 4c-5 5-5 11 0 16M12 4c5 5 5 11 0 16',
  unlisted: 'M19 14.500A7.500 7.500 0 019.500 5 7.500 7.500 0 1019 14.500z',
  followers: 'M7 11V8.500a5 5 0 0110 0V11M6 11h12v8.500H6z',
  direct: 'M4 6h16v12H4zM4 7l8 6 8-6',
  boost: 'M4.500 9.500L7.500 6.500l3 3M7.500 7v8a2 2 0 002 2H13M19.500 14.500l-3 3-3-3M16.500 17V9a2 2 0 00-2-2H11',
  reply: 'M10 6L4.500 11.500 10 17M5 11.500h8a6 6 0 016 6V19',
  edit: 'M5 19l1-4L15.500 5.500l3 3L9 18zM13.500 7.500l3 3',
  open: 'M13.500 5H19v5.500M19 5l-8 8M17 14v4a1 1 0 01-1 1H6a1 1 0 01-1-1V8a1 1 0 011-1h4',
  close: 'M6 6l12 12M18 6L6 18',
  left: 'M14.500 5.500L8 12l6.500 6.500',
  right: 'M9.500 5.500L16 12l-6.500 6.500',
  up: 'M12 19V5.500M6.500 11L12 5.500l5.500 5.500',
  down: 'M6 9.500l6 6 6-6',
  warning: 'M12 4.500L3.500 19h17zM12 10v4.500M12 17h0',
  check: 'M5 12.500l4.500 4.500L19 7.500',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  hidden: 'M4 4l16 16M9.900 5.800A9.500 9.500 0 0112 5.500c5 0 8 4.500 8.800 6.500a13 13 0 01-2.600 3.700M6.300 7.800A13 13 0 003.200 12c.800 2 3.800 6.500 8.800 6.500a9 9 0 004-.900M10 10a2.800 2.800 0 004 4',
  play: 'M8 5.500v13l10.500-6.500z',
  sun: 'M12 8a4 4 0 100 8 4 4 0 000-8zM12 3v1.500M12 19.500V21M3 12h1.500M19.500 12H21M5.600 5.600l1.100 1.100M17.300 17.300l1.100 1.100M5.600 18.400l1.100-1.100M17.300 6.700l1.100-1.100',
  moon: 'M19 14.500A7.500 7.500 0 019.500 5 7.500 7.500 0 1019 14.500z',
  auto: 'M4 5h16v11H4zM9 20h6M12 16v4',
  key: 'M14.500 4.500a5 5 0 11-3.600 8.500L4.500 19.500V16M7 17l2 2M14.500 9h0',
  devices: 'M3.500 6h13v9h-13zM2.500 18h9M14.500 9.500h6V19h-6zM17.500 16.500h0',
  sharing: 'M17 8.500a2.500 2.500 0 100-5 2.500 2.500 0 000 5zM7 14.500a2.500 2.500 0 100-5 2.500 2.500 0 000 5zM17 20.500a2.500 2.500 0 100-5 2.500 2.500 0 000 5zM9.200 10.800l5.600-3.400M9.200 13.200l5.600 3.400',
  groups:
    'M9 11.500a3.250 3.250 0 100-6.500 3.250 3.250 0 000 6.500zM3.500 19c.300-3.200 2.500-5 5.500-5s5.200 1.800 5.500 5M15.500 5.300a3.100 3.100 0 010 6M17 14.300c2.100.700 3.300 2.300 3.500 4.700',
  apps: 'M5 5h5.500v5.500H5zM13.500 5H19v5.500h-5.500zM5 13.500h5.500V19H5zM13.500 13.500H19V19h-5.500z',
  cloud: 'M7.500 18a4 4 0 01-.500-8 5.500 5.500 0 0110.500 1.200A3.500 3.500 0 0117 18z',
  plus: 'M12 5v14M5 12h14',
  folder: 'M4 7a1 1 0 011-1h4.500l2 2.500H19a1 1 0 011 1V18a1 1 0 01-1 1H5a1 1 0 01-1-1z',
  file: 'M6.500 4h7L18 8.500V20H6.500zM13.500 4v4.500H18',
  keyboard: 'M3.500 7h17v10h-17zM7 10.500h0M10.300 10.500h0M13.700 10.500h0M17 10.500h0M8 14h8',
  video: 'M4 7h11v10H4zM15 10.500l5-3v9l-5-3z',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.7"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  )
}

export function Mark({ size = 26 }: { size?: number }) {
  return <img className="mark" src="/rhizome.svg" width={size} height={size} alt="" />
}
