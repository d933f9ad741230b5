/** A webhook that is filled in but for what only its owner knows: words in capitals are to be replaced. */
export interface Preset {
  method: 'GET' | 'POST' | 'PUT';
  url: string;
  headers: [name: string, value: string][];
  body: string;
}

/** As `engine/src/alert/preset.rs` has them. `presets.test.ts` compares the two. */
export const PRESETS = {
  bark: {
    method: 'POST',
    url: 'https://api.day.app/DEVICE_KEY',
    headers: [],
    body: '{"title":{{ subject }},"body":{{ text }}}',
  },
  dingtalk: {
    method: 'POST',
    url: 'https://oapi.dingtalk.com/robot/send?access_token=TOKEN',
    headers: [],
    body: '{"msgtype":"text","text":{"content":{{ subject ~ "\\n" ~ text }}}}',
  },
  wecom: {
    method: 'POST',
    url: 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY',
    headers: [],
    body: '{"msgtype":"text","text":{"content":{{ subject ~ "\\n" ~ text }}}}',
  },
  matrix: {
    method: 'PUT',
    url: 'https://HOST/_matrix/client/v3/rooms/ROOM_ID/send/m.room.message/{key}',
    headers: [['Authorization', 'Bearer TOKEN']],
    body: '{"msgtype":"m.text","body":{{ subject ~ "\\n" ~ text }}}',
  },
  lark: {
    method: 'POST',
    url: 'https://open.feishu.cn/open-apis/bot/v2/hook/TOKEN',
    headers: [],
    body: '{"msg_type":"text","content":{"text":{{ subject ~ "\\n" ~ text }}}}',
  },
  gotify: {
    method: 'POST',
    url: 'https://HOST/message',
    headers: [['X-Gotify-Key', 'TOKEN']],
    body: '{"title":{{ subject }},"message":{{ text }},"priority":8}',
  },
} satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** The preset of that name; `null` for a kind that is none. */
export function presetNamed(name: string): Preset | null {
  const found = PRESET_NAMES.find((one) => one === name);
  return found === undefined ? null : PRESETS[found];
}
