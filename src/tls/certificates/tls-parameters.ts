/**
 * TLS 1.3, and of TLS 1.2 what has forward secrecy and authenticated encryption: Mozilla's
 * "intermediate" list without finite-field Diffie-Hellman. HTTP/2 forbids the rest of TLS 1.2
 * anyway (RFC 9113 appendix A).
 */
export const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** X25519 first: the fastest, and what browsers offer a key for. */
export const CURVES = 'X25519:prime256v1:secp384r1'
