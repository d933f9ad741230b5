export interface ListedServer {
  id: number;
  name: string;
  tag: string;
}

/** The chosen servers, and of the others those that a search finds, as many as fit; `more` is how many do not. */
export function serversToOffer<Server extends ListedServer>(
  servers: readonly Server[],
  chosen: ReadonlySet<number>,
  searched: string,
  max: number,
): { offered: Server[]; more: number } {
  const words = searched.toLowerCase().split(/\s+/);
  const matches = ({ id, name, tag }: Server): boolean => {
    const text = `${name}\n${tag}\n${id}`.toLowerCase();
    return words.every((word) => text.includes(word));
  };
  const picked = servers.filter(({ id }) => chosen.has(id));
  const found = servers.filter((server) => !chosen.has(server.id) && matches(server));
  return { offered: [...picked, ...found.slice(0, max)], more: Math.max(0, found.length - max) };
}
