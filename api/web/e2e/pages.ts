/**
 * The pages of administrators that list what can be added, in the order of the panel's list. That list, in src/pages/index.ts, imports pages that need
 * a browser, which a test's own process has not; src/router.test.ts compares the two.
 */
export const ADMIN_PATHS = ['/api', '/manage', '/enrol', '/users'];
/** The page of administrators that shows how the hub stands in its cluster. */
export const CLUSTER_PATH = '/cluster';
/** The pages about alerts, which users of any role may open. */
export const ALERT_PATHS = ['/alerts', '/rules', '/channels', '/silences'];
