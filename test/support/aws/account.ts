/** moto's account, whoever signs. */
export const ACCOUNT = '123456789012'
