"""What the screens show, worked out without any terminal: nothing here imports textual."""
