/** The channel and the stream that it takes. */
export function Logo({ size = 22 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0e7490" />
      <path
        d="M7 10h7.5c3.6 0 3.6 6 7 6H25M7 16h5c3.6 0 3.6 6 7 6h6"
        fill="none"
        stroke="#fff"
        strokeWidth="2.6"
        strokeLinecap="round"
      />
    </svg>
  );
}
