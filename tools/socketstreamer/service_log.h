/**
 * Lines on standard error, each with a tag that stands for this kind of message alone. systemd's
 * journal adds the time.
 */
#ifndef SERVICE_LOG_H
#define SERVICE_LOG_H

/** Writes a line. @param tag "JF0200"; texts of strangers have to be made visible before
 * (tool_text.h). */
void service_log(const char *tag, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
