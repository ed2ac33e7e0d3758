// SPDX-License-Identifier: GPL-2.0
/*
 * saved_command_line is not exported to modules, so the line is read once through /proc itself, as it is just before
 * the patch takes effect. Where another patch masks it already, masking it again changes nothing.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/string.h>

#include "cmdline.h"

#define SECRET "lab_secret="

static char line[4096];

static void mask(char *value)
{
	for (; *value && *value != ' ' && *value != '\n'; value++)
		*value = '*';
}

int lab_cmdline_read(void)
{
	struct file *file = filp_open("/proc/cmdline", O_RDONLY, 0);
	loff_t position = 0;
	ssize_t length;
	char *found;

	if (IS_ERR(file))
		return PTR_ERR(file);
	length = kernel_read(file, line, sizeof(line) - 1, &position);
	filp_close(file, NULL);
	if (length < 0)
		return length;
	line[length] = '\0';
	for (found = strstr(line, SECRET); found; found = strstr(found + 1, SECRET))
		mask(found + strlen(SECRET));
	return 0;
}

int lab_cmdline_show(struct seq_file *m, void *v)
{
	seq_puts(m, line);
	return 0;
}
