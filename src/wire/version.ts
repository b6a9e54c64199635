/** The span of Engine API versions that the daemon serves and the client asks for. */
export const apiVersion = '1.51'
export const minApiVersion = '1.24'
