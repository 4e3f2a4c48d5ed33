"use strict";
/**
 * The chat page of the sandbox. Read `state.js`, then `wire.js`, then `chat.js`.
 *
 * Hooks for tests (data-testid):
 *   app, connection, toast, menu, dialog, dialog-ok, dialog-cancel, alert, photo-view, json-view
 *   account, user-<id>, add, new-user, new-user-here, new-group, new-topic, new-name, new-language, new-forum
 *   chat-<id>, chat-<id>-<thread>, unread, back, chat-title, chat-status, chat-more, delete-topic, block, unblock
 *   search-open, search, search-field, search-count, search-up, search-down, search-close
 *   promote, demote, only-you-<id>
 *   messages, empty, start, earlier, unread-line, message-<id> (data-from="bot" or "user"), draft, photo, mosaic,
 *   voice, document, sticker, video-note, code-copy
 *   reply-of-<id>, menu-<id>, menu-reply, menu-copy, menu-edit, menu-json, menu-delete, delete-dialog, react-<emoji>, reaction-<id>-<emoji>
 *   button-<callback data, else label>
 *   reply-keyboard, reply-button-<label>, notice, unblock-bar, start-bar, composer, send, stop, record, recording, record-cancel, record-send
 *   jump, intent, intent-cancel, commands-button, command-menu, command-<name>
 *   attach, attach-photo, attach-document, attach-voice, attach-video-note, attach-sticker, file-input, upload, caption, drop
 *   hints, hint-<n>, hints-hide
 *   panel, panel-toggle, panel-close, tab-try, tab-knowledge, tab-desk, tab-runs, tab-journal, tab-faults, tab-process
 *   journal, journal-entry (data-lane, data-name, data-count), journal-filter, journal-clear, lane-<update|call|model>
 *   try-<slowly|owner|friend|closed|search|budget|confirm>, try-<closed|search|budget|confirm>-switch, try-<name>-result
 *   step-<shop|ask|source|unknown|teach|told|edit>, tick-<step>, handbook-page
 *   phone-customer, phone-operator
 *   step-<deskGroup|deskCall|deskTake|deskAnswer|deskAmend|deskNote|deskDraft|deskReturn|deskRate>, desk-load
 *   run-<id>, tuning-<id>, eval-diff, eval-case, instance-<state>, instance-result, batch-<failure>
 *   fault-<telegram|model>-<name>, fault-<telegram|model>-<name>-switch, faults-clear
 *   bot-state, bot-kill, bot-stop, bot-start, bot-restart
 *   model-scripted, model-local, model-url, model-progress, model-error, reset, reset-dialog
 */
import { startChat } from "./chat.js";
import { startComposer } from "./composer.js";
import { startHeader } from "./header.js";
import { startHints } from "./hints.js";
import { startNotice } from "./notice.js";
import { icon } from "./icons.js";
import { startPanel } from "./panel.js";
import { startPhone } from "./phones.js";
import { startSearch } from "./search.js";
import { startSidebar } from "./sidebar.js";
import { phone } from "./state.js";
import { startToasts } from "./toast.js";
import { translate } from "./words.js";
import { connect } from "./wire.js";

translate();
for (const place of document.querySelectorAll("[data-icon]")) place.prepend(icon(place.getAttribute("data-icon") ?? ""));
startChat();
startSidebar();
startHeader();
startComposer();
startHints();
startNotice();
startToasts();
startSearch();
if (phone) startPhone();
else startPanel();
document.body.classList.add("in-chat");
void connect();
