"""The pictures that show what the doctor has found."""
