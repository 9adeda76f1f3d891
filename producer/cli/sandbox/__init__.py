"""What `transcribe local` starts and watches on this machine."""
